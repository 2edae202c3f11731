//! What has no safe binding: making a TAP device, whose frames this process reads and writes, and entering a
//! network namespace. (`nix` has the latter under a feature that nothing else here needs.)
#![allow(unsafe_code, reason = "three calls of the kernel, each with its reason")]

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;

use nix::libc;

use crate::LabError;

const TAP: u16 = 0x0002;
const NO_PACKET_INFORMATION: u16 = 0x1000;
const WITH_HEADER: u16 = 0x4000;
/// Checksums, TSO for both IPs, congestion signals in it, USO for both IPs: the kernel leaves them to us.
const OFFLOADS: libc::c_ulong = 0x01 | 0x02 | 0x04 | 0x08 | 0x20 | 0x40;
const OFFLOADS_WITHOUT_USO: libc::c_ulong = 0x0f;

/// `struct ifreq` as TUNSETIFF reads it.
#[repr(C)]
struct Request {
    name: [u8; 16],
    flags: u16,
    rest: [u8; 22],
}

const SET_INTERFACE: libc::Ioctl = 0x4004_54ca;
const SET_OFFLOADS: libc::Ioctl = 0x4004_54d0;

/// Makes a TAP device in the network namespace of this thread. It goes when the file is closed.
pub(crate) fn open_tap(name: &str) -> Result<File, LabError> {
    let device =
        OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open("/dev/net/tun");
    let device = device.map_err(LabError::system("/dev/net/tun"))?;
    let mut request =
        Request { name: [0; 16], flags: TAP | NO_PACKET_INFORMATION | WITH_HEADER, rest: [0; 22] };
    for (place, byte) in request.name.iter_mut().take(15).zip(name.bytes()) {
        *place = byte;
    }
    // SAFETY: the descriptor is open, and `request` is an initialised `ifreq` that outlives the call.
    let made = unsafe { libc::ioctl(device.as_raw_fd(), SET_INTERFACE, &raw mut request) };
    outcome(made).map_err(LabError::system("a TAP device"))?;
    let set = |offloads: libc::c_ulong| {
        // SAFETY: the descriptor is open, and the argument is a plain number.
        outcome(unsafe { libc::ioctl(device.as_raw_fd(), SET_OFFLOADS, offloads) })
    };
    // Kernels before 6.2 know no USO.
    set(OFFLOADS)
        .or_else(|_| set(OFFLOADS_WITHOUT_USO))
        .map_err(LabError::system("offloads of a TAP device"))?;
    Ok(device)
}

/// Moves this thread into a network namespace.
pub(crate) fn enter_network(namespace: &File) -> Result<(), LabError> {
    // SAFETY: the descriptor is open; only this thread is moved.
    let entered = unsafe { libc::setns(namespace.as_raw_fd(), libc::CLONE_NEWNET) };
    outcome(entered).map_err(LabError::system("entering a network namespace"))
}

fn outcome(returned: libc::c_int) -> io::Result<()> {
    if returned < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
