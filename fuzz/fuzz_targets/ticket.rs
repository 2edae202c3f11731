//! Tickets, as people paste them.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(ticket) = bosr::miror::ticket::Ticket::parse(&text) {
        assert!(bosr::miror::ticket::Ticket::parse(&ticket.to_string()).is_ok());
    }
});
