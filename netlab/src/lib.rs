//! Networks to try things in, on one machine.
//!
//! A [`Lab`] is a number of *hosts*, each a network namespace with one interface `eth0`, joined in a *hub*
//! namespace. `tc tbf` limits what each host sends to a rate. As long as nothing else is asked for, a bridge in
//! the hub joins the hosts and the kernel carries everything. Once a [`Condition`] is set (delay, jitter, loss,
//! reordering, silence, no TCP, no UDP), each host's port moves to a bridge of its own with a TAP device, and a
//! thread of this process, the [`relay`], carries the frames; no interface of a host changes by that.
//!
//! Large packets stay large on their way (TSO and USO, with `virtio_net_hdr`), so that the relay carries some
//! gigabits a second; loss and reordering take their single segments all the same.
//!
//! A lab goes when its [`Lab`] is dropped. What a killed process left behind goes when the next one comes up.
//! Needs root, `ip`, `tc` and `chrt`. Chance is seeded; the moments at which packets come are the machine's own,
//! so a run is like another of the same seed, not equal to it.
#![allow(clippy::disallowed_methods, reason = "a lab of real clocks, real files and real waiting")]

mod chance;
pub mod command;
pub mod condition;
mod error;
mod fate;
mod kernel;
pub mod lab;
mod leftovers;
mod relay;
mod segment;
pub mod serve;
mod system;
mod table;

pub use chance::Chance;
pub use condition::Condition;
pub use error::LabError;
pub use lab::{Lab, Plan};
