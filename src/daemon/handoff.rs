//! Starting an owner in the background: our own binary again, in a session of its own, with the unlocked
//! keys handed over a socket pair that is its standard input. They are never in its arguments or environment.
//!
//! On the pair: one frame to the child (a [`Handoff`]), one frame back (whether it is ready). A frame is its
//! length in four bytes, little-endian, and that many bytes.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::error::DaemonError;
use super::target::Target;
use crate::crypto::Keyring;
use crate::miror::SecretBytes;

/// The hidden command that makes our binary an owner.
pub const OWNER_COMMAND: &str = "__owner";
/// A keyring of thousands of epochs still fits; anything longer is not from us.
const MAX_FRAME_BYTES: u32 = 16 << 20;

/// What a background owner is given.
#[derive(Serialize, Deserialize)]
struct Handoff {
    name: Option<String>,
    store: Vec<u8>,
    listen: Option<String>,
    keyring: SecretBytes,
}

/// What a background owner works with.
pub struct Received {
    /// The name of the vault.
    pub name: Option<String>,
    /// The store.
    pub store: PathBuf,
    /// Where to listen, if that was asked for.
    pub listen: Option<String>,
    /// The keys.
    pub keyring: Keyring,
    /// Where to say that it is ready.
    pub starter: Starter,
}

/// Whoever started this owner, waiting.
pub struct Starter(UnixStream);

/// Starts an owner of `target` in the background. Returns once it serves its socket.
pub fn start(target: &Target, keyring: &Keyring, listen: Option<&str>) -> Result<(), DaemonError> {
    let failed = |error: io::Error| DaemonError::internal("starting the background process", &error);
    let (mut ours, theirs) = UnixStream::pair().map_err(failed)?;
    spawn(theirs.into()).map_err(failed)?;
    let handoff = Handoff {
        name: target.name.clone(),
        store: target.store.as_os_str().as_bytes().to_vec(),
        listen: listen.map(str::to_owned),
        keyring: keyring.encode().into(),
    };
    let bytes = postcard::to_stdvec(&handoff).map(Zeroizing::new);
    let bytes = bytes.map_err(|error| DaemonError::internal("starting the background process", &error))?;
    write_frame(&mut ours, &bytes).map_err(failed)?;
    let answer = read_frame(&mut ours).map_err(failed)?;
    let answer: Result<Result<(), DaemonError>, _> = serde_json::from_slice(&answer);
    answer.map_err(|error| DaemonError::internal("starting the background process", &error))?
}

/// Our own binary, even if it has been replaced on disk since this process began.
fn spawn(standard_input: OwnedFd) -> io::Result<()> {
    let binary = std::env::current_exe().ok().filter(|path| path.exists());
    let mut command = Command::new(binary.unwrap_or_else(|| "/proc/self/exe".into()));
    command.arg0("bosr").arg(OWNER_COMMAND).current_dir("/");
    command.stdin(standard_input).stdout(Stdio::null()).stderr(Stdio::null());
    // Not waited for: it outlives this process, which ends soon.
    command.spawn().map(drop)
}

/// In the background process: takes what it was given, and cuts what ties it to its starter.
pub fn receive() -> Result<Received, DaemonError> {
    let failed = |error: io::Error| DaemonError::internal("taking over the vault", &error);
    let mut stream = UnixStream::from(io::stdin().as_fd().try_clone_to_owned().map_err(failed)?);
    detach().map_err(|errno| failed(errno.into()))?;
    let bytes = Zeroizing::new(read_frame(&mut stream).map_err(failed)?);
    let handoff: Handoff = postcard::from_bytes(&bytes)
        .map_err(|error| DaemonError::internal("taking over the vault", &error))?;
    let keyring = Keyring::decode(handoff.keyring.as_slice())
        .map_err(|error| DaemonError::internal("taking over the vault", &error))?;
    Ok(Received {
        name: handoff.name,
        store: PathBuf::from(OsString::from_vec(handoff.store)),
        listen: handoff.listen,
        keyring,
        starter: Starter(stream),
    })
}

/// A session of its own, so that neither Ctrl-C nor the end of the terminal reaches it, and no standard input.
fn detach() -> nix::Result<()> {
    nix::unistd::setsid()?;
    let null = nix::fcntl::open("/dev/null", nix::fcntl::OFlag::O_RDWR, nix::sys::stat::Mode::empty())?;
    nix::unistd::dup2_stdin(null)
}

impl Starter {
    /// Says that the vault is being served, or why not.
    pub fn answer(mut self, outcome: &Result<(), DaemonError>) -> io::Result<()> {
        write_frame(&mut self.0, &serde_json::to_vec(outcome)?)
    }
}

fn write_frame(stream: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    stream.write_all(&length.to_le_bytes())?;
    stream.write_all(bytes)
}

fn read_frame(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length);
    if length > MAX_FRAME_BYTES {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "not a frame of a bosr process"));
    }
    let mut bytes = vec![0; length as usize];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read_back_and_nonsense_is_refused() {
        let mut bytes = Vec::new();
        write_frame(&mut bytes, b"abc").unwrap();
        assert_eq!(bytes, b"\x03\0\0\0abc");
        assert_eq!(read_frame(&mut bytes.as_slice()).unwrap(), b"abc");
        for nonsense in [&b""[..], b"\x03\0\0", b"\x03\0\0\0ab", b"\xff\xff\xff\xff"] {
            assert!(read_frame(&mut &*nonsense).is_err(), "{nonsense:?}");
        }
    }
}
