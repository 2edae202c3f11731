//! Which objects a content needs, which are missing, and what happens then.

use std::collections::BTreeSet;

use super::super::{Content, ContentsError, Extents};
use super::{contents, noise, stripes, write};
use crate::crypto::ObjectKind;
use crate::trie::ObjectsError;

#[test]
fn missing_objects_are_named_and_reading_says_so() {
    let (objects, contents) = contents();
    let bytes = stripes(1, &[3 << 20, 2 << 20, 1 << 20]);
    let content = write(&contents, &bytes);
    assert_eq!(contents.missing(&content).unwrap(), []);

    let span = contents.span_at(&content, 1 << 20).unwrap().unwrap();
    let chunk = span.chunk.unwrap();
    objects.forget(&chunk);
    assert_eq!(contents.missing(&content).unwrap(), [(chunk, ObjectKind::Chunk)]);
    let read = contents.read(&content, 1 << 20, 1);
    assert!(matches!(read, Err(ContentsError::Objects(ObjectsError::Missing(id))) if id == chunk));
    assert!(contents.read(&content, 0, 1).is_ok(), "what is here can be read");

    let (list, kind) = content.object().unwrap();
    objects.forget(&list);
    assert_eq!(contents.missing(&content).unwrap(), [(list, kind)]);
}

#[test]
fn what_is_new_is_told_children_first_and_nothing_else() {
    let (objects, contents) = contents();
    let bytes = noise(4, 30 << 20);
    let old = write(&contents, &bytes);
    let before: BTreeSet<_> = objects.ids().into_iter().collect();
    let mut edits = Extents::new();
    edits.insert(10 << 20, b"changed");
    let new = contents.splice(&old, &edits, old.len()).unwrap();

    let mut told = Vec::new();
    contents
        .new_objects::<ContentsError>(&old, &new, |listed| {
            told.push(listed.id);
            Ok(())
        })
        .unwrap();
    let expected: BTreeSet<_> = objects.ids().into_iter().filter(|id| !before.contains(id)).collect();
    assert_eq!(told.iter().copied().collect::<BTreeSet<_>>(), expected);
    assert_eq!(told.last(), new.object().map(|(id, _)| id).as_ref(), "the topmost list comes last");
}

#[test]
fn a_full_store_fails_the_write_and_keeps_what_was() {
    let (objects, contents) = contents();
    let bytes = noise(4, 5 << 20);
    let content = write(&contents, &bytes);
    objects.limit(Some(3));
    let full = contents.write(&noise(5, 5 << 20)[..]);
    assert!(matches!(full, Err(ContentsError::Objects(ObjectsError::Full))));
    assert!(contents.read(&content, 0, bytes.len()).unwrap() == bytes);
}

#[test]
fn a_chunk_of_another_length_than_its_list_says_is_refused() {
    let (_, contents) = contents();
    let Content::Chunk { id, len } = write(&contents, &noise(4, 20_000)) else { panic!("one chunk") };
    let wrong = Content::Chunk { id, len: len + 1 };
    assert!(matches!(contents.read(&wrong, 0, 30_000), Err(ContentsError::Invalid { .. })));
}

#[test]
fn a_reader_that_fails_is_reported() {
    struct Broken;
    impl std::io::Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("broken"))
        }
    }
    let (_, contents) = contents();
    assert!(matches!(contents.write(Broken), Err(ContentsError::Source(_))));
}
