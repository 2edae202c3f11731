//! Shape, contents and differences, for any history.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::super::{Change, Child, Key, LEAF_BYTES, Trie, TrieError, inspect};
use super::{Bytes, Model, entries, forest, inserts, numbered, spread, trie_of};

/// Keys that share long prefixes as well as keys that share none.
fn key() -> impl Strategy<Value = Key> {
    prop_oneof![
        4 => (0..400u32).prop_map(spread),
        2 => (0..200u8).prop_map(|last| { let mut key = spread(1); key[15] = last; key }),
        2 => (0..200u8, 0..16usize).prop_map(|(byte, at)| { let mut key = spread(2); key[at] = byte; key }),
        1 => any::<Key>(),
    ]
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        20 => prop::collection::vec(any::<u8>(), 0..5),
        1 => any::<u8>().prop_map(|byte| vec![byte; LEAF_BYTES / 3]),
    ]
}

type Batch = Vec<Change<Vec<u8>>>;

/// Keys that all share a long prefix: the whole trie hangs below it.
fn close_key() -> impl Strategy<Value = Key> {
    (0..400u16).prop_map(|last| {
        let mut key = spread(3);
        key[14..].copy_from_slice(&last.to_be_bytes());
        key
    })
}

fn batch(key: impl Strategy<Value = Key>, most: usize) -> impl Strategy<Value = Batch> {
    prop::collection::btree_map(key, prop::option::weighted(0.6, value()), 0..most)
        .prop_map(|changes| changes.into_iter().collect())
}

fn history() -> impl Strategy<Value = Vec<Batch>> {
    let mixed = prop::collection::vec(prop_oneof![batch(key(), 10), batch(key(), 300)], 0..8);
    let close = prop::collection::vec(prop_oneof![batch(close_key(), 10), batch(close_key(), 300)], 0..8);
    prop_oneof![mixed, close]
}

fn change(model: &mut Model, batch: &Batch) {
    for (key, value) in batch {
        match value {
            Some(value) => model.insert(*key, value.clone()),
            None => model.remove(key),
        };
    }
}

fn grown(forest: &super::Forest<Bytes>, history: &[Batch]) -> (Trie, Model) {
    let (mut trie, mut model) = (Trie::EMPTY, Model::new());
    for batch in history {
        trie = forest.apply(&trie, batch).unwrap();
        change(&mut model, batch);
    }
    (trie, model)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_shape_depends_on_the_set_alone(history in history()) {
        let (_, forest) = forest();
        let (trie, model) = grown(&forest, &history);
        prop_assert_eq!(trie.count, model.len() as u64);
        prop_assert_eq!(trie, trie_of(&forest, &model));
        let mut one_by_one = Trie::EMPTY;
        for change in inserts(&model).into_iter().rev() {
            one_by_one = forest.apply(&one_by_one, &[change]).unwrap();
        }
        prop_assert_eq!(trie, one_by_one);
    }

    #[test]
    fn it_holds_what_a_map_holds(history in history(), (from, to) in (key(), key())) {
        let (_, forest) = forest();
        let (trie, model) = grown(&forest, &history);
        prop_assert_eq!(&entries(&forest, &trie), &model);
        for (key, _) in history.iter().flatten() {
            prop_assert_eq!(forest.find(&trie, key).unwrap(), model.get(key).cloned());
        }
        let (from, to) = (from.min(to), from.max(to));
        let some: Vec<_> = forest.iter(&trie, from..to).map(|entry| entry.unwrap().0).collect();
        let expected: Vec<_> = model.range(from..to).map(|(key, _)| *key).collect();
        prop_assert_eq!(some, expected);
        let rest = forest.iter(&trie, to..).count();
        prop_assert_eq!(rest, model.range(to..).count());
    }

    #[test]
    fn a_difference_is_the_difference_of_the_sets(common in history(), a in history(), b in history()) {
        let (_, forest) = forest();
        let (trie_a, model_a) = grown(&forest, &[common.clone(), a].concat());
        let (trie_b, model_b) = grown(&forest, &[common, b].concat());
        let mut told = Vec::new();
        forest
            .diff::<TrieError>(&trie_a, &trie_b, |key, a, b| {
                told.push((*key, a.cloned(), b.cloned()));
                Ok(())
            })
            .unwrap();
        let keys: BTreeSet<_> = model_a.keys().chain(model_b.keys()).copied().collect();
        let both = keys.into_iter().map(|key| (key, model_a.get(&key).cloned(), model_b.get(&key).cloned()));
        let expected: Vec<_> = both.filter(|(_, a, b)| a != b).collect();
        prop_assert_eq!(told, expected);
    }

    #[test]
    fn new_objects_are_all_a_holder_of_the_base_lacks(a in history(), b in history()) {
        let (_, forest) = forest();
        let (base, _) = grown(&forest, &a);
        let (next, _) = grown(&forest, &[a, b].concat());
        let mut held = objects_below(&forest, &base);
        let needed = objects_below(&forest, &next);
        forest
            .new_objects::<TrieError>(&base, &next, |id| {
                let bytes = forest.objects.load(crate::crypto::ObjectKind::Trie, id)?;
                let place = needed.iter().find(|child| child.id == *id).unwrap();
                for child in inspect::<Bytes>(place, &bytes).unwrap().children {
                    assert!(held.iter().any(|held| held.id == child.id), "a parent before its child");
                }
                held.push(*place);
                Ok(())
            })
            .unwrap();
        for child in needed {
            prop_assert!(held.iter().any(|held| held.id == child.id));
        }
    }
}

/// Every object of a trie as its parent names it, each checked as one from a peer would be.
fn objects_below(forest: &super::Forest<Bytes>, trie: &Trie) -> Vec<Child> {
    let mut ahead: Vec<_> = Child::root(trie).into_iter().collect();
    let mut all = Vec::new();
    while let Some(child) = ahead.pop() {
        let bytes = forest.objects.load(crate::crypto::ObjectKind::Trie, &child.id).unwrap();
        ahead.extend(inspect::<Bytes>(&child, &bytes).unwrap().children);
        all.push(child);
    }
    all
}

#[test]
fn a_difference_loads_only_what_differs() {
    let (objects, forest) = forest();
    let base = trie_of(&forest, &numbered(0..20_000));
    let changed = forest.apply(&base, &[(spread(7), Some(b"changed".to_vec()))]).unwrap();
    let fresh = super::Forest::<Bytes>::new(objects.clone(), 8 << 20);
    objects.take_loads();
    let mut told = 0;
    fresh
        .diff::<TrieError>(&base, &changed, |_, _, _| {
            told += 1;
            Ok(())
        })
        .unwrap();
    assert_eq!(told, 1);
    // Two paths of three branches and a leaf.
    let loads = objects.take_loads();
    assert!(loads <= 8, "{loads} loads");
}

#[test]
fn a_change_rewrites_one_path_and_no_change_nothing() {
    let (objects, forest) = forest();
    let base = trie_of(&forest, &numbered(0..20_000));
    objects.take_saves();
    forest.apply(&base, &[(spread(7), Some(b"changed".to_vec()))]).unwrap();
    let saves = objects.take_saves();
    assert!(saves <= 4, "{saves} saves");
    let same = [(spread(7), Some(7u32.to_le_bytes().to_vec())), (spread(70_000), None)];
    let mut same = same.to_vec();
    same.sort();
    assert_eq!(forest.apply(&base, &same).unwrap(), base);
    assert_eq!(objects.take_saves(), 0);
}

#[test]
fn removing_everything_leaves_nothing() {
    let (_, forest) = forest();
    let base = trie_of(&forest, &numbered(0..1000));
    let removals: Batch = numbered(0..1000).into_keys().map(|key| (key, None)).collect();
    assert_eq!(forest.apply(&base, &removals).unwrap(), Trie::EMPTY);
}

#[test]
fn changes_out_of_order_are_refused() {
    let (_, forest) = forest();
    let twice = [(spread(1), None), (spread(1), None)];
    assert!(matches!(forest.apply(&Trie::EMPTY, &twice), Err(TrieError::Unordered)));
}

#[test]
fn sixty_four_are_a_leaf_however_they_came_to_be_so_few() {
    let (_, forest) = forest();
    for count in 62..=66 {
        let model = numbered(0..count);
        let more = trie_of(&forest, &numbered(0..count + 3));
        let mut removals: Batch = (count..count + 3).map(|n| (spread(n), None)).collect();
        removals.sort();
        assert_eq!(forest.apply(&more, &removals).unwrap(), trie_of(&forest, &model), "{count} entries");
        let root = objects_below(&forest, &trie_of(&forest, &model));
        assert_eq!(root.len() == 1, count <= 64, "{count} entries");
    }
}
