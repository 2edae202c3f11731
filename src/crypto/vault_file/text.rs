//! `vault.toml` as text, read strictly: unknown fields, wrong lengths and checksums that do not fit are errors
//! that name the part.

use data_encoding::{BASE64, HEXLOWER};
use serde::{Deserialize, Serialize};

use super::super::error::{CryptoError, VaultFileError};
use super::super::gcm::OVERHEAD;
use super::super::slot::{Argon2Cost, SlotId, SlotKind, Stretch};
use super::{FORMAT, MAX_SLOTS, Slot, VaultFile, VaultId, keyring_associated};

/// Far above what a keyring with a thousand epochs of a hundred devices takes.
const MAX_LEN: usize = 16 << 20;

const HEAD: &str = "\
# A bosr vault. The keys in this file are encrypted.
# Keep it with the vault: without it, nothing here can be read again.
";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileText {
    format: u32,
    vault: String,
    slot: Vec<SlotText>,
    /// Last, so that a file cut short lacks it whatever is lost.
    keyring: KeyringText,
}

/// Read before anything else, so that a newer format is told from damage.
#[derive(Deserialize)]
struct FormatText {
    format: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyringText {
    sealed: String,
    check: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SlotText {
    id: String,
    kind: String,
    salt: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_kib: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    passes: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lanes: Option<u32>,
    wrapped: String,
    check: String,
}

type CostOf = fn(u32, u32, u32) -> Result<Argon2Cost, CryptoError>;

impl VaultFile {
    /// Reads a `vault.toml`.
    ///
    /// # Errors
    /// [`CryptoError::VaultFile`], naming what is damaged.
    pub fn parse(text: &str) -> Result<Self, CryptoError> {
        Ok(parse(text, Argon2Cost::new)?)
    }

    /// As [`VaultFile::parse`], accepting [`Argon2Cost::weak_for_tests`] too.
    ///
    /// # Errors
    /// As [`VaultFile::parse`].
    #[cfg(any(test, feature = "testing"))]
    pub fn parse_weak_for_tests(text: &str) -> Result<Self, CryptoError> {
        let cost = |memory, passes, lanes| {
            let weak = Argon2Cost::weak_for_tests();
            if (memory, passes, lanes) == (weak.memory_kib(), weak.passes(), weak.lanes()) {
                return Ok(weak);
            }
            Argon2Cost::new(memory, passes, lanes)
        };
        Ok(parse(text, cost)?)
    }

    /// The text of it.
    pub fn to_toml(&self) -> String {
        let text = FileText {
            format: FORMAT,
            vault: self.vault.to_string(),
            slot: self.slots.iter().map(|slot| slot.to_text(self.vault)).collect(),
            keyring: KeyringText {
                sealed: BASE64.encode(&self.keyring),
                check: check(&keyring_associated(self.vault), &self.keyring),
            },
        };
        // Fails only for types that TOML has no form for; these are strings and numbers.
        let body = toml::to_string(&text).unwrap_or_default();
        format!("{HEAD}{body}")
    }
}

/// CRC-32 over what a part is bound to and its bytes. It tells damage from a wrong key; it proves nothing.
fn check(associated: &[u8], bytes: &[u8]) -> String {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(associated);
    hasher.update(bytes);
    HEXLOWER.encode(&hasher.finalize().to_be_bytes())
}

fn parse(text: &str, cost: CostOf) -> Result<VaultFile, VaultFileError> {
    if text.len() > MAX_LEN {
        return Err(VaultFileError::TooLong(MAX_LEN));
    }
    let format = from_toml::<FormatText>(text)?.format;
    if format != FORMAT {
        return Err(VaultFileError::Format { found: format, known: FORMAT });
    }
    let file: FileText = from_toml(text)?;
    let damaged = |section: &str, field| VaultFileError::Field { section: section.into(), field };
    let vault: VaultId = file.vault.parse().map_err(|_| damaged("the file", "vault"))?;
    let keyring = BASE64.decode(file.keyring.sealed.as_bytes()).map_err(|_| damaged("keyring", "sealed"))?;
    if check(&keyring_associated(vault), &keyring) != file.keyring.check {
        return Err(VaultFileError::Checksum("vault id or keyring".into()));
    }
    if !(1..=MAX_SLOTS).contains(&file.slot.len()) {
        return Err(VaultFileError::SlotCount(file.slot.len(), MAX_SLOTS));
    }
    let mut slots: Vec<Slot> = Vec::with_capacity(file.slot.len());
    for slot in &file.slot {
        let slot = slot.parse(vault, cost)?;
        if slots.iter().any(|other| other.id == slot.id) {
            return Err(VaultFileError::DuplicateSlot(slot.id));
        }
        slots.push(slot);
    }
    Ok(VaultFile { vault, slots, keyring })
}

fn from_toml<'t, T: Deserialize<'t>>(text: &'t str) -> Result<T, VaultFileError> {
    toml::from_str(text).map_err(|error| VaultFileError::Syntax(error.message().to_owned()))
}

impl Slot {
    fn to_text(&self, vault: VaultId) -> SlotText {
        let (salt, cost) = match &self.stretch {
            Stretch::Passphrase { salt, cost } => (salt, Some(cost)),
            Stretch::KeyFile { salt } => (salt, None),
        };
        SlotText {
            id: self.id.to_string(),
            kind: self.stretch.kind().to_string(),
            salt: HEXLOWER.encode(salt),
            memory_kib: cost.map(Argon2Cost::memory_kib),
            passes: cost.map(Argon2Cost::passes),
            lanes: cost.map(Argon2Cost::lanes),
            wrapped: BASE64.encode(&self.wrapped),
            check: check(&self.associated(vault), &self.wrapped),
        }
    }
}

impl SlotText {
    fn parse(&self, vault: VaultId, cost: CostOf) -> Result<Slot, VaultFileError> {
        let damaged = |field| VaultFileError::Field { section: format!("slot {}", self.id), field };
        let id: SlotId = self.id.parse().map_err(|_| damaged("id"))?;
        let salt = HEXLOWER.decode(self.salt.as_bytes()).map_err(|_| damaged("salt"))?;
        let salt: [u8; 16] = salt.try_into().map_err(|_| damaged("salt"))?;
        let wrapped = BASE64.decode(self.wrapped.as_bytes()).map_err(|_| damaged("wrapped"))?;
        if wrapped.len() != 32 + OVERHEAD {
            return Err(damaged("wrapped"));
        }
        let stretch = match (self.kind.as_str(), self.memory_kib, self.passes, self.lanes) {
            (kind, Some(memory), Some(passes), Some(lanes)) if kind == SlotKind::Passphrase.to_string() => {
                let cost = cost(memory, passes, lanes)
                    .map_err(|cost| VaultFileError::Cost { slot: id, cost: cost.to_string() })?;
                Stretch::Passphrase { salt, cost }
            }
            (kind, None, None, None) if kind == SlotKind::KeyFile.to_string() => Stretch::KeyFile { salt },
            _ => return Err(damaged("kind")),
        };
        let slot = Slot { id, stretch, wrapped };
        if check(&slot.associated(vault), &slot.wrapped) != self.check {
            return Err(VaultFileError::Checksum(format!("slot {id}")));
        }
        Ok(slot)
    }
}
