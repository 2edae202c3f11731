//! The counterexamples that shaped the rules, by name, each with the tree a user sees.
//!
//! Replicas are ann, bob and cy. A path is written `/d/a`; a tree as `Plain` prints it.

use super::History;
use super::plain::Path;
use super::world::World;
use crate::vault::{
    AttrPatch, Context, Data, Entry, Name, NewNode, NodeId, Renamed, Replace, ReplicaId, Result, VaultError,
    Write,
};

const ANN: usize = 0;
const BOB: usize = 1;
const CY: usize = 2;

struct Story(World);

fn path(text: &str) -> Path {
    text.split('/').filter(|part| !part.is_empty()).map(|part| Name::new(part).unwrap()).collect()
}

impl Story {
    fn begin() -> Story {
        Story(World::new(&History { replicas: 3, base: 0, unique: false, steps: Vec::new() }))
    }

    fn node(&self, who: usize, path: &[Name]) -> NodeId {
        let scene = self.0.replicas[who].tree.scene();
        path.iter().fold(NodeId::ROOT, |dir, name| match scene.lookup(&dir, name).unwrap() {
            Some(Entry::Node(id)) => id,
            other => panic!("{name:?} is {other:?}"),
        })
    }

    fn ends(&self, who: usize, text: &str) -> (NodeId, Name) {
        let path = path(text);
        let (name, above) = path.split_last().unwrap();
        (self.node(who, above), name.clone())
    }

    fn make(&mut self, who: usize, at: &str, data: Option<Data>) {
        let (dir, name) = self.ends(who, at);
        let new = NewNode { attr: super::choose::attr(), data };
        self.0.replicas[who].operate(|tree, draw| tree.create(&dir, &name, new, draw)).unwrap();
    }

    fn create(&mut self, who: usize, at: &str, content: &str) {
        self.make(who, at, Some(Data::inline(content)));
    }

    fn mkdir(&mut self, who: usize, at: &str) {
        self.make(who, at, None);
    }

    fn write(&mut self, who: usize, at: &str, content: &str) {
        let id = self.node(who, &path(at));
        let base = self.0.replicas[who].tree.base(&id).unwrap();
        let write = Write { base, data: Data::inline(content), attr: AttrPatch::default() };
        self.0.replicas[who].operate(|tree, draw| tree.write(&id, write, draw)).unwrap();
    }

    fn rename(&mut self, who: usize, from: &str, to: &str, how: Replace) -> Result<Renamed> {
        let (from, to) = (self.ends(who, from), self.ends(who, to));
        let ends = ((&from.0, &from.1), (&to.0, &to.1));
        let done = self.0.replicas[who].operate(|tree, draw| tree.rename(ends.0, ends.1, how, None, draw))?;
        Ok(done.value)
    }

    fn mv(&mut self, who: usize, from: &str, to: &str) -> Renamed {
        self.rename(who, from, to, Replace::Allowed).unwrap()
    }

    fn rm(&mut self, who: usize, at: &str) {
        let (dir, name) = self.ends(who, at);
        self.0.replicas[who].operate(|tree, draw| tree.unlink(&dir, &name, draw)).unwrap();
    }

    fn rmdir(&mut self, who: usize, at: &str) -> Result<()> {
        let (dir, name) = self.ends(who, at);
        self.0.replicas[who].operate(|tree, draw| tree.rmdir(&dir, &name, draw)).map(|_| ())
    }

    fn ln(&mut self, who: usize, from: &str, to: &str) {
        let (id, to) = (self.node(who, &path(from)), self.ends(who, to));
        self.0.named.entry(id).or_default().linked = true;
        self.0.replicas[who].operate(|tree, draw| tree.link(&id, &to.0, &to.1, draw)).unwrap();
    }

    fn pull(&mut self, to: usize, from: usize) {
        self.0.pull(to, from).unwrap();
        self.0.check(to).unwrap();
    }

    /// As a pull, but neither first says what it has seen.
    fn join_unintroduced(&mut self, to: usize, from: usize) -> std::result::Result<(), String> {
        self.0.replicas[from].offer();
        let theirs = self.0.replicas[from].offered.clone();
        self.0.replicas[to].absorb(&theirs, from).map(drop)
    }

    /// Both have what each had.
    fn meet(&mut self, one: usize, other: usize) {
        self.pull(one, other);
        self.pull(other, one);
    }

    fn sees(&self, who: usize, tree: &str) {
        assert_eq!(self.0.replicas[who].shot().plain.to_string().trim_end(), tree);
    }

    fn prune(&mut self, who: usize) {
        self.0.prune(who).unwrap();
        self.0.check(who).unwrap();
    }

    fn context(&self, who: usize) -> &Context {
        self.0.replicas[who].tree.context()
    }
}

#[test]
fn ce1_a_directory_and_a_file_of_one_name_are_two_nodes() {
    let mut story = Story::begin();
    story.mkdir(ANN, "/a");
    story.create(BOB, "/a", "100");
    story.meet(ANN, BOB);
    story.sees(ANN, "/a/ /a.tombstone-bob-2=100");
}

#[test]
fn ce2_files_made_under_one_name_by_people_who_had_not_met_stay_two() {
    let mut story = Story::begin();
    story.create(ANN, "/c", "100");
    story.mv(ANN, "/c", "/a");
    story.create(BOB, "/c", "101");
    story.meet(ANN, BOB);
    story.sees(BOB, "/a=100 /c=101");
}

#[test]
fn ce3_directories_made_under_one_name_and_renamed_stay_two() {
    let mut story = Story::begin();
    for (who, to) in [(ANN, "/a"), (BOB, "/b")] {
        story.mkdir(who, "/c");
        story.mv(who, "/c", to);
    }
    story.meet(ANN, BOB);
    story.sees(ANN, "/a/ /b/");
}

#[test]
fn ce3b_a_directory_renamed_here_and_remade_on_both_sides() {
    let mut story = Story::begin();
    story.mkdir(ANN, "/c");
    story.meet(ANN, BOB);
    story.mv(ANN, "/c", "/a");
    story.mkdir(ANN, "/c");
    story.create(ANN, "/c/a", "1");
    story.rmdir(BOB, "/c").unwrap();
    story.mkdir(BOB, "/c");
    story.create(BOB, "/c/b", "2");
    story.meet(ANN, BOB);
    story.sees(ANN, "/a/ /c/ /c/a=1 /c/b=2");
}

#[test]
fn ce4_a_name_used_again_is_a_new_file() {
    let mut story = Story::begin();
    story.create(ANN, "/c", "100");
    story.meet(ANN, BOB);
    story.mv(ANN, "/c", "/a");
    story.rm(BOB, "/c");
    story.create(BOB, "/c", "101");
    story.meet(ANN, BOB);
    story.sees(ANN, "/a=100 /c=101");
}

#[test]
fn ce5_what_was_deleted_is_not_shown_beside_what_was_kept() {
    let mut story = Story::begin();
    story.create(BOB, "/c", "100");
    story.create(CY, "/c", "101");
    // Ann has cy's file, so that its end is a value and not silence.
    story.pull(ANN, CY);
    story.rm(CY, "/c");
    story.meet(BOB, CY);
    story.sees(CY, "/c=100");
    story.meet(ANN, CY);
    story.sees(ANN, "/c=100");
}

#[test]
fn ce6_removing_a_file_leaves_its_tombstone() {
    let mut story = Story::begin();
    story.create(ANN, "/a", "100");
    story.create(BOB, "/a", "101");
    story.pull(ANN, BOB);
    story.sees(ANN, "/a=101 /a.tombstone-ann-2=100");
    story.rm(ANN, "/a");
    story.sees(ANN, "/a.tombstone-ann-2=100");
    story.rm(ANN, "/a.tombstone-ann-2");
    story.sees(ANN, "");
    story.meet(ANN, BOB);
    story.sees(BOB, "");
}

#[test]
fn ce7_a_file_renamed_over_another_keeps_what_stands_beside_it() {
    let mut story = Story::begin();
    story.create(ANN, "/b", "100");
    story.create(BOB, "/b", "101");
    story.create(BOB, "/a", "102");
    story.pull(ANN, BOB);
    story.sees(ANN, "/a=102 /b=101 /b.tombstone-ann-2=100");
    story.mv(ANN, "/b", "/a");
    story.sees(ANN, "/a=101 /b.tombstone-ann-2=100");
}

#[test]
fn ce8_equal_contents_are_no_conflict() {
    let mut story = Story::begin();
    story.create(ANN, "/a", "x");
    story.create(BOB, "/b", "x");
    story.mv(BOB, "/b", "/a");
    story.meet(ANN, BOB);
    story.sees(ANN, "/a=x");
    story.write(ANN, "/a", "y");
    story.sees(ANN, "/a=y");
    story.meet(ANN, BOB);
    story.sees(BOB, "/a=y");
}

#[test]
fn ce9_removing_the_winner_does_not_bring_the_loser_forward() {
    let mut story = Story::begin();
    story.mkdir(ANN, "/d");
    story.meet(ANN, BOB);
    story.create(ANN, "/d/a", "1");
    story.make(BOB, "/d/a", Some(Data::Target(b"2".to_vec())));
    story.meet(ANN, BOB);
    story.sees(ANN, "/d/ /d/a->2 /d/a.tombstone-ann-3=1");
    story.rm(ANN, "/d/a");
    story.sees(ANN, "/d/ /d/a.tombstone-ann-3=1");
    story.rm(ANN, "/d/a.tombstone-ann-3");
    story.rmdir(ANN, "/d").unwrap();
    story.sees(ANN, "");
}

#[test]
fn ce9_a_directory_that_lived_by_its_file_stays_without_it() {
    let mut story = Story::begin();
    story.mkdir(ANN, "/d");
    story.meet(ANN, BOB);
    story.rmdir(ANN, "/d").unwrap();
    story.create(BOB, "/d/x", "1");
    story.meet(ANN, BOB);
    story.sees(ANN, "/d/ /d/x=1");
    story.rm(ANN, "/d/x");
    story.sees(ANN, "/d/");
}

#[test]
fn ce9_a_directory_moved_out_of_a_cycle_moves_no_other() {
    let mut story = Story::begin();
    story.mkdir(ANN, "/a");
    story.mkdir(ANN, "/b");
    story.meet(ANN, BOB);
    story.mv(ANN, "/a", "/b/a");
    story.mv(BOB, "/b", "/a/b");
    story.meet(ANN, BOB);
    story.sees(ANN, "/b/ /b/a/");
    story.mkdir(ANN, "/c");
    story.mv(ANN, "/b/a", "/c/a");
    story.sees(ANN, "/b/ /c/ /c/a/");
    story.meet(ANN, BOB);
    story.sees(BOB, "/b/ /c/ /c/a/");
}

#[test]
fn ce9_a_directory_moved_from_deep_in_a_cycle_moves_no_other() {
    let mut story = Story::begin();
    story.mkdir(ANN, "/a");
    story.mkdir(ANN, "/b");
    story.mkdir(ANN, "/b/c");
    story.meet(ANN, BOB);
    story.mv(ANN, "/a", "/b/c/a");
    story.mv(BOB, "/b", "/a/b");
    story.meet(ANN, BOB);
    story.sees(ANN, "/b/ /b/c/ /b/c/a/");
    story.mv(ANN, "/b/c/a", "/a");
    story.sees(ANN, "/a/ /b/ /b/c/");
    story.meet(ANN, BOB);
    story.sees(BOB, "/a/ /b/ /b/c/");
}

#[test]
fn directories_that_live_only_by_each_other_are_dead() {
    let mut story = Story::begin();
    story.mkdir(ANN, "/d");
    story.mkdir(ANN, "/e");
    story.meet(ANN, BOB);
    story.meet(ANN, CY);
    story.mv(ANN, "/d", "/e/d");
    story.rmdir(ANN, "/e/d").unwrap();
    story.mv(BOB, "/e", "/d/e");
    story.rmdir(BOB, "/d/e").unwrap();
    story.create(CY, "/d/f", "1");
    story.pull(ANN, CY);
    story.pull(ANN, BOB);
    story.sees(ANN, "/e/ /e/d/ /e/d/f=1");
    story.rm(CY, "/d/f");
    story.pull(ANN, CY);
    story.sees(ANN, "");
}

#[test]
fn a_directory_that_lives_without_a_name_is_where_it_was_last() {
    let mut story = Story::begin();
    story.mkdir(ANN, "/d");
    story.meet(ANN, BOB);
    story.meet(ANN, CY);
    story.rmdir(ANN, "/d").unwrap();
    story.mv(BOB, "/d", "/e");
    story.rmdir(BOB, "/e").unwrap();
    story.create(CY, "/d/x", "1");
    story.meet(ANN, BOB);
    story.sees(ANN, "");
    story.meet(ANN, CY);
    story.sees(CY, "/e/ /e/x=1");
}

#[test]
fn ce9_a_link_to_a_file_that_lives_by_an_edit_keeps_the_old_name() {
    let mut story = Story::begin();
    story.create(ANN, "/f", "1");
    story.meet(ANN, BOB);
    story.rm(ANN, "/f");
    story.write(BOB, "/f", "2");
    story.meet(ANN, BOB);
    story.sees(ANN, "/f=2");
    story.ln(ANN, "/f", "/g");
    story.sees(ANN, "/f=2 /g=2");
}

#[test]
fn ce10_an_edit_follows_a_file_renamed_over_another() {
    let mut story = Story::begin();
    story.create(ANN, "/a", "100");
    story.create(ANN, "/b", "101");
    story.meet(ANN, BOB);
    assert!(matches!(story.mv(ANN, "/b", "/a"), Renamed::Moved { .. }));
    story.write(BOB, "/b", "102");
    story.meet(ANN, BOB);
    story.sees(ANN, "/a=102");
}

#[test]
fn ce11_pruning_takes_a_stamp_and_travels() {
    let mut story = Story::begin();
    story.create(ANN, "/a", "1");
    for (to, from) in [(BOB, ANN), (CY, ANN), (ANN, BOB), (ANN, CY)] {
        story.pull(to, from);
    }
    story.rm(ANN, "/a");
    for (to, from) in [(BOB, ANN), (CY, ANN), (BOB, CY), (ANN, CY), (BOB, ANN)] {
        story.pull(to, from);
    }
    let dead = story.0.replicas[BOB].nodes().len();
    story.prune(BOB);
    story.0.converge().unwrap();
    assert_eq!(story.0.replicas[BOB].nodes().len(), dead - 1);
    assert_eq!(story.0.replicas[ANN].nodes().len(), dead - 1);
    assert_eq!(story.context(ANN), story.context(BOB));
}

#[test]
fn ce12_a_removed_tombstone_stays_away() {
    let mut story = Story::begin();
    story.create(ANN, "/a", "0");
    story.meet(ANN, BOB);
    story.write(ANN, "/a", "100");
    story.write(BOB, "/a", "101");
    story.meet(ANN, BOB);
    story.sees(BOB, "/a=101 /a.tombstone-ann-3=100");
    let before = story.context(BOB).clone();
    story.rm(BOB, "/a.tombstone-ann-3");
    assert!(*story.context(BOB) > before, "a removal takes a stamp");
    story.pull(ANN, BOB);
    story.sees(ANN, "/a=101");
}

#[test]
fn ce13_another_life_takes_another_replica_id() {
    let mut story = Story::begin();
    story.create(BOB, "/a", "100");
    story.pull(ANN, BOB);
    // Bob comes back from before, and would use the stamps again that ann has seen.
    let before = History { replicas: 3, base: 0, unique: false, steps: Vec::new() };
    story.0.replicas[BOB] = World::new(&before).replicas.remove(BOB);
    story.0.replicas[BOB].tree.set_replica(ReplicaId([0xB2; 8]));
    story.create(BOB, "/a", "101");
    story.meet(ANN, BOB);
    story.sees(ANN, "/a=101 /a.tombstone-bob-2=100");
}

#[test]
fn ce13_states_that_used_a_stamp_twice_are_told_apart() {
    let mut story = Story::begin();
    story.create(BOB, "/a", "100");
    story.pull(ANN, BOB);
    let before = History { replicas: 3, base: 0, unique: false, steps: Vec::new() };
    story.0.replicas[BOB] = World::new(&before).replicas.remove(BOB);
    // The same operations again, with other random bytes.
    story.0.replicas[BOB].dice.roll();
    story.create(BOB, "/a", "101");
    // Each "has seen" the other's stamp: the join would lack both files, so it is refused. (Not always can it
    // be told: that is why commits are durable before they are offered.)
    let refused = story.join_unintroduced(ANN, BOB).unwrap_err();
    assert!(refused.contains("lacks what its context claims"), "{refused}");
}

#[test]
fn ce13_a_stamp_under_which_two_values_stand_is_refused() {
    let mut story = Story::begin();
    story.create(BOB, "/a", "100");
    story.pull(ANN, BOB);
    let before = History { replicas: 3, base: 0, unique: false, steps: Vec::new() };
    story.0.replicas[BOB] = World::new(&before).replicas.remove(BOB);
    story.create(BOB, "/a", "101");
    let refused = story.join_unintroduced(ANN, BOB).unwrap_err();
    assert!(refused.contains("two values under one stamp"), "{refused}");
}

#[test]
fn ce15_what_a_restored_copy_does_to_a_pruned_file_is_kept() {
    let mut story = Story::begin();
    story.create(ANN, "/f", "1");
    story.create(ANN, "/g", "1");
    story.meet(ANN, BOB);
    story.meet(ANN, CY);
    story.meet(BOB, CY);
    for name in ["/f", "/g"] {
        story.rm(ANN, name);
    }
    for (one, other) in [(ANN, BOB), (ANN, CY), (BOB, CY), (ANN, BOB), (ANN, CY)] {
        story.meet(one, other);
    }
    let before = story.0.replicas[ANN].nodes().len();
    story.prune(ANN);
    assert_eq!(story.0.replicas[ANN].nodes().len(), before - 2);
    // Bob comes back from before the removal, edits one file and renames the other.
    story.0.replicas[BOB].restore(1).unwrap();
    story.sees(BOB, "/f=1 /g=1");
    story.write(BOB, "/f", "2");
    story.mv(BOB, "/g", "/h");
    story.meet(ANN, BOB);
    story.sees(ANN, "/f=2 /h=1");
    story.meet(CY, BOB);
    story.sees(CY, "/f=2 /h=1");
}

#[test]
fn ce14_one_name_used_for_many_files_in_turn_costs_nothing() {
    let mut story = Story::begin();
    for index in 0..300 {
        story.create(ANN, "/tmp", &index.to_string());
        story.mv(ANN, "/tmp", &format!("/final-{index}"));
    }
    let nodes: std::collections::BTreeSet<NodeId> =
        (0..300).map(|index| story.node(ANN, &path(&format!("/final-{index}")))).collect();
    assert_eq!(nodes.len(), 300);
}

#[test]
fn ce15_hearsay_does_not_prune() {
    let mut story = Story::begin();
    story.create(ANN, "/a", "1");
    story.meet(ANN, BOB);
    story.meet(ANN, CY);
    story.rm(ANN, "/a");
    story.write(CY, "/a", "2");
    story.meet(ANN, BOB);
    // Bob and ann know of no state of cy that has seen the removal: the node stays, and the edit its place.
    let known = vec![story.context(BOB).clone(), Context::new()];
    let all: Vec<NodeId> = story.0.replicas[ANN].nodes().into_keys().collect();
    let pruned =
        story.0.replicas[ANN].operate(|tree, draw| tree.prune(&all, &|_| false, &known, draw)).unwrap();
    assert_eq!(pruned.value, 0);
    story.meet(ANN, CY);
    story.sees(ANN, "/a=2");
}

/// What `who` sees, as words `path=content`.
fn words(story: &Story, who: usize) -> Vec<String> {
    let tree = story.0.replicas[who].shot().plain.to_string();
    tree.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn a_tombstone_counts_up_from_a_name_that_is_claimed() {
    let mut story = Story::begin();
    story.create(ANN, "/f", "1");
    story.meet(ANN, BOB);
    story.meet(ANN, CY);
    story.write(ANN, "/f", "2");
    story.write(BOB, "/f", "3");
    story.meet(ANN, BOB);
    let seen = words(&story, ANN);
    let (name, lost) =
        seen.iter().find_map(|word| word.split_once('=').filter(|(at, _)| *at != "/f")).unwrap();
    story.create(CY, name, "9");
    story.meet(ANN, CY);
    assert_eq!(words(&story, ANN), [seen[0].clone(), format!("{name}=9"), format!("{name}-2={lost}")]);
}

#[test]
fn two_tombstones_that_would_have_one_name_have_two() {
    let mut story = Story::begin();
    story.create(ANN, "/f", "1");
    story.ln(ANN, "/f", "/f.tombstone-zoe-9");
    story.meet(ANN, BOB);
    story.write(ANN, "/f", "2");
    story.write(BOB, "/f", "3");
    story.meet(ANN, BOB);
    let seen = words(&story, ANN);
    let names: std::collections::BTreeSet<&str> =
        seen.iter().filter_map(|word| word.split('=').next()).collect();
    assert_eq!((seen.len(), names.len()), (4, 4), "{seen:?}");
}

#[test]
fn an_editors_save_keeps_the_document() {
    let mut story = Story::begin();
    story.create(ANN, "/doc", "1");
    story.meet(ANN, BOB);
    let document = story.node(ANN, &path("/doc"));
    story.create(ANN, "/doc~", "2");
    assert!(matches!(story.mv(ANN, "/doc~", "/doc"), Renamed::Saved { target, .. } if target == document));
    story.mv(BOB, "/doc", "/letter");
    story.meet(ANN, BOB);
    story.sees(ANN, "/letter=2");
}

#[test]
fn an_edit_follows_a_renamed_directory() {
    let mut story = Story::begin();
    story.mkdir(ANN, "/d");
    story.create(ANN, "/d/f", "1");
    story.meet(ANN, BOB);
    story.mv(ANN, "/d", "/e");
    story.write(BOB, "/d/f", "2");
    story.create(BOB, "/d/g", "3");
    story.meet(ANN, BOB);
    story.sees(ANN, "/e/ /e/f=2 /e/g=3");
}

#[test]
fn a_file_whose_names_were_removed_by_two_keeps_the_edit_of_a_third() {
    let mut story = Story::begin();
    story.create(ANN, "/f", "1");
    story.ln(ANN, "/f", "/g");
    story.meet(ANN, BOB);
    story.meet(ANN, CY);
    story.rm(ANN, "/f");
    story.rm(BOB, "/g");
    story.write(CY, "/f", "2");
    story.meet(ANN, BOB);
    story.sees(ANN, "");
    story.meet(ANN, CY);
    assert_eq!(story.0.replicas[ANN].paths().len(), 1, "the edit is somewhere");
}

#[test]
fn posix_refusals() {
    let mut story = Story::begin();
    story.mkdir(ANN, "/d");
    story.mkdir(ANN, "/d/e");
    story.create(ANN, "/f", "1");
    assert!(matches!(story.rmdir(ANN, "/d"), Err(VaultError::NotEmpty)));
    assert!(matches!(story.rename(ANN, "/d", "/d/e/x", Replace::Allowed), Err(VaultError::Invalid(_))));
    assert!(matches!(story.rename(ANN, "/f", "/d", Replace::Allowed), Err(VaultError::IsDirectory)));
    assert!(matches!(story.rename(ANN, "/d", "/f", Replace::Allowed), Err(VaultError::NotDirectory)));
    assert!(matches!(story.rename(ANN, "/f", "/d", Replace::Refused), Err(VaultError::Exists)));
    assert!(matches!(story.rename(ANN, "/f", "/nothing", Replace::Exchange), Err(VaultError::NotFound)));
    assert!(matches!(story.rename(ANN, "/d", "/d/e", Replace::Exchange), Err(VaultError::Invalid(_))));
    story.rename(ANN, "/f", "/d", Replace::Exchange).unwrap();
    story.sees(ANN, "/d=1 /f/ /f/e/");
}
