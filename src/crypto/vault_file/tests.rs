//! The vault file: its first format, slots and keys, and that what was changed opens to nothing.

use zeroize::Zeroizing;

use super::super::fixture::{self, Counting};
use super::super::{Argon2Cost, CryptoError, Keyring, SlotKind, Unlock, VaultFileError, new_key_file};
use super::*;

fn passphrase(text: &str) -> Unlock {
    Unlock::Passphrase(Zeroizing::new(text.as_bytes().to_vec()))
}

fn key_file() -> Unlock {
    Unlock::KeyFile(new_key_file(&Counting::default()))
}

/// A vault with a passphrase slot ("correct horse", quick) and a key file slot.
fn vault() -> (VaultFile, Keyring, Counting) {
    let (mut keyring, entropy) = fixture::keyring();
    let weak = Argon2Cost::weak_for_tests();
    let mut file = VaultFile::create(&mut keyring, &passphrase("correct horse"), weak, &entropy).unwrap();
    file.add_slot(&mut keyring, &key_file(), weak, &entropy).unwrap();
    (file, keyring, entropy)
}

fn reparsed(file: &VaultFile) -> VaultFile {
    VaultFile::parse_weak_for_tests(&file.to_toml()).unwrap()
}

fn same(a: &Keyring, b: &Keyring) -> bool {
    a.encode() == b.encode()
}

/// A file of format 1 as it was first written, with the default cost. It must open forever.
#[test]
fn the_first_format_opens() {
    let file = VaultFile::parse(include_str!("format-1.toml")).unwrap();
    assert_eq!(file.vault_id().to_string(), "68696a6b6c6d6e6f7071727374757677");
    let keyring = file.unlock(&passphrase("correct horse")).unwrap();
    assert!(same(&keyring, &file.unlock(&key_file()).unwrap()));
    assert_eq!(keyring.current().id().to_string(), "1-2021222324252627");
    assert_eq!(file.to_toml(), include_str!("format-1.toml"));
}

/// The bytes written, from fixed randomness.
#[test]
fn the_first_format_is_what_is_written() {
    let (mut keyring, entropy) = fixture::keyring();
    let cost = Argon2Cost::default();
    let mut file = VaultFile::create(&mut keyring, &passphrase("correct horse"), cost, &entropy).unwrap();
    file.add_slot(&mut keyring, &key_file(), cost, &entropy).unwrap();
    assert_eq!(file.to_toml(), include_str!("format-1.toml"));
}

#[test]
fn either_slot_opens_it_and_nothing_else_does() {
    let (file, keyring, _) = vault();
    let file = reparsed(&file);
    assert_eq!(
        file.slots().map(|slot| slot.1).collect::<Vec<_>>(),
        [SlotKind::Passphrase, SlotKind::KeyFile]
    );
    assert!(same(&file.unlock(&passphrase("correct horse")).unwrap(), &keyring));
    assert!(same(&file.unlock(&key_file()).unwrap(), &keyring));
    assert_eq!(file.unlock(&passphrase("correct horses")).err(), Some(CryptoError::WrongKey));
    assert_eq!(file.unlock(&passphrase("")).err(), Some(CryptoError::WrongKey));
    let other = Counting::default();
    crate::ambient::random::<1>(&other);
    assert_eq!(file.unlock(&Unlock::KeyFile(new_key_file(&other))).err(), Some(CryptoError::WrongKey));
    let foreign = Unlock::KeyFile(Zeroizing::new(b"not a key".to_vec()));
    assert!(matches!(file.unlock(&foreign).err(), Some(CryptoError::KeyFile(_))));
}

#[test]
fn a_key_of_a_kind_without_slot_is_told() {
    let (mut keyring, entropy) = fixture::keyring();
    let file = VaultFile::create(&mut keyring, &key_file(), Argon2Cost::weak_for_tests(), &entropy).unwrap();
    assert_eq!(file.unlock(&passphrase("x")).err(), Some(CryptoError::NoSlot(SlotKind::Passphrase)));
}

#[test]
fn a_removed_slot_opens_neither_the_new_file_nor_its_keyring() {
    let (mut file, mut keyring, entropy) = vault();
    let before = file.clone();
    let (removed, _) = file.slots().next().unwrap();
    file.remove_slot(&mut keyring, removed, &entropy).unwrap();
    assert_eq!(
        file.unlock(&passphrase("correct horse")).err(),
        Some(CryptoError::NoSlot(SlotKind::Passphrase))
    );
    assert!(same(&file.unlock(&key_file()).unwrap(), &keyring));

    // Put back by somebody who kept it, the slot opens its old keyring key, which is none any more.
    file.slots.push(before.slots[0].clone());
    assert_eq!(file.unlock(&passphrase("correct horse")).err(), Some(CryptoError::WrongKeyOrDamaged));
}

#[test]
fn the_last_slot_and_unknown_slots_cannot_be_removed() {
    let (mut file, mut keyring, entropy) = vault();
    let (first, _) = file.slots().next().unwrap();
    file.remove_slot(&mut keyring, first, &entropy).unwrap();
    assert_eq!(file.remove_slot(&mut keyring, first, &entropy), Err(CryptoError::UnknownSlot(first)));
    let (last, _) = file.slots().next().unwrap();
    let text = file.to_toml();
    assert_eq!(file.remove_slot(&mut keyring, last, &entropy), Err(CryptoError::LastSlot));
    assert_eq!(file.to_toml(), text);
}

#[test]
fn a_new_epoch_is_there_for_every_slot_after_resealing() {
    let (mut file, mut keyring, entropy) = vault();
    let next = keyring.next_epoch(&[keyring.device().public()], &entropy);
    keyring.add_epoch(next.clone());
    file.reseal(&keyring, &entropy).unwrap();
    let file = reparsed(&file);
    for unlock in [passphrase("correct horse"), key_file()] {
        assert_eq!(file.unlock(&unlock).unwrap().current().id(), next.id());
    }
}

#[test]
fn a_keyring_of_another_vault_is_refused() {
    let (mut file, _, entropy) = vault();
    let other = Keyring::generate(&entropy);
    assert_eq!(file.reseal(&other, &entropy), Err(CryptoError::OtherVault));
}

#[test]
fn slots_and_keyring_are_bound_to_their_vault() {
    let (file, _, _) = vault();
    let mut moved = file.clone();
    moved.vault = VaultId([1; 16]);
    assert_eq!(moved.unlock(&key_file()).err(), Some(CryptoError::WrongKey));
    let mut cheaper = file;
    let Stretch::KeyFile { salt } = &mut cheaper.slots[1].stretch else { panic!("the order of slots") };
    salt[0] ^= 1;
    assert_eq!(cheaper.unlock(&key_file()).err(), Some(CryptoError::WrongKey));
}

fn error_of(text: &str) -> VaultFileError {
    match VaultFile::parse_weak_for_tests(text) {
        Err(CryptoError::VaultFile(error)) => error,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("was accepted:\n{text}"),
    }
}

#[test]
fn errors_name_what_is_damaged() {
    let text = vault().0.to_toml();
    let change = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        error_of(&text.replacen(from, to, 1))
    };
    let slot = reparsed(&vault().0).slots().next().unwrap().0;
    assert_eq!(change("format = 1", "format = 2"), VaultFileError::Format { found: 2, known: 1 });
    assert!(matches!(change("format = 1", ""), VaultFileError::Syntax(_)));
    assert!(matches!(change("salt = ", "pepper = "), VaultFileError::Syntax(_)));
    assert!(matches!(change("[keyring]", "name = 'x'\n[keyring]"), VaultFileError::Syntax(_)));
    assert!(matches!(change("vault = \"68", "vault = \""), VaultFileError::Field { field: "vault", .. }));
    assert_eq!(
        change("vault = \"68", "vault = \"78"),
        VaultFileError::Checksum("vault id or keyring".into())
    );
    assert!(matches!(change("sealed = \"", "sealed = \"!"), VaultFileError::Field { field: "sealed", .. }));
    assert!(matches!(
        change("wrapped = \"", "wrapped = \"AAAA"),
        VaultFileError::Field { field: "wrapped", .. }
    ));
    assert!(matches!(change("\"key-file\"", "\"passphrase\""), VaultFileError::Field { field: "kind", .. }));
    assert!(matches!(change("\"passphrase\"", "\"passport\""), VaultFileError::Field { field: "kind", .. }));
    assert_eq!(change("passes = 1", "passes = 3"), {
        let cost = Argon2Cost::new(64, 3, 1).unwrap_err().to_string();
        VaultFileError::Cost { slot, cost }
    });
    let [first, .., keyring] = text.match_indices("check = \"").map(|(at, _)| at + 9).collect::<Vec<_>>()[..]
    else {
        panic!("a check for each part")
    };
    let with = |at: usize| error_of(&format!("{}z{}", &text[..at], &text[at + 1..]));
    assert_eq!(with(first), VaultFileError::Checksum(format!("slot {slot}")));
    assert_eq!(with(keyring), VaultFileError::Checksum("vault id or keyring".into()));
}

#[test]
fn weak_costs_and_costs_over_the_limit_are_refused() {
    let (file, _, _) = vault();
    let text = file.to_toml();
    for memory in ["64", "65535", "4194305", "4294967295"] {
        let text = text.replace("memory_kib = 64", &format!("memory_kib = {memory}"));
        assert!(matches!(
            VaultFile::parse(&text).err(),
            Some(CryptoError::VaultFile(VaultFileError::Cost { .. }))
        ));
    }
}

#[test]
fn slots_are_counted_and_told_apart() {
    let (file, _, _) = vault();
    let mut twice = file.clone();
    twice.slots.push(file.slots[0].clone());
    assert_eq!(error_of(&twice.to_toml()), VaultFileError::DuplicateSlot(file.slots[0].id));
    let mut many = file.clone();
    many.slots = vec![file.slots[0].clone(); MAX_SLOTS + 1];
    assert_eq!(error_of(&many.to_toml()), VaultFileError::SlotCount(MAX_SLOTS + 1, MAX_SLOTS));
    let mut none = file;
    none.slots.clear();
    assert_eq!(error_of(&none.to_toml()), VaultFileError::SlotCount(0, MAX_SLOTS));
}

/// Whatever happens to a byte of the file, it opens to the same keyring (a comment changed) or fails with an
/// error; and cut short it never opens.
#[test]
fn changed_and_cut_files_never_open_to_something_else() {
    let (file, keyring, _) = vault();
    let text = file.to_toml();
    let body = text.find("format").unwrap();
    for at in 0..text.len() {
        let mut bytes = text.clone().into_bytes();
        bytes[at] ^= 1 << (at % 7);
        let Ok(mangled) = String::from_utf8(bytes) else { continue };
        if let Ok(opened) =
            VaultFile::parse_weak_for_tests(&mangled).and_then(|file| file.unlock(&key_file()))
        {
            assert!(same(&opened, &keyring), "byte {at}");
        }
    }
    for len in body..text.len() - 2 {
        assert!(VaultFile::parse_weak_for_tests(&text[..len]).is_err(), "cut at {len}");
    }
}

#[test]
fn nothing_in_the_text_is_secret() {
    let (file, keyring, _) = vault();
    let text = file.to_toml();
    for key in [keyring.device().secret(), keyring.slots().values().next().unwrap()] {
        assert!(!text.contains(&data_encoding::HEXLOWER.encode(key.as_slice())));
        assert!(!text.contains(&data_encoding::BASE64.encode(key.as_slice())));
    }
    assert!(!text.contains("horse"));
}
