//! A lab as a process: told what to do on a Unix socket or on its standard input, until it is told to end.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::SignalFd;

use crate::command::obey;
use crate::{Lab, LabError};

/// What one who does not read or write on may keep the others waiting.
const PATIENCE: Duration = Duration::from_secs(2);

/// Signals that end a lab in good order. Taken before any thread is there, so that none is killed by them.
///
/// # Errors
/// The system refuses.
pub fn ending_signals() -> Result<SignalFd, LabError> {
    let mut ending = SigSet::empty();
    [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP].into_iter().for_each(|signal| ending.add(signal));
    ending.thread_block().map_err(LabError::system("signals"))?;
    SignalFd::new(&ending).map_err(LabError::system("signals"))
}

/// Serves a lab until `down` is said, a signal ends it or, if it listens there, standard input does.
///
/// # Errors
/// The socket cannot be made.
pub fn serve(lab: &Lab, signals: &SignalFd, with_input: bool) -> Result<(), LabError> {
    let listener =
        UnixListener::bind(Lab::control(lab.tag())).map_err(LabError::system("the control socket"))?;
    println!("{}", lab.tag());
    let mut input = Vec::new();
    loop {
        let stdin = std::io::stdin();
        let mut wanted = vec![
            PollFd::new(signals.as_fd(), PollFlags::POLLIN),
            PollFd::new(listener.as_fd(), PollFlags::POLLIN),
        ];
        wanted.extend(with_input.then(|| PollFd::new(stdin.as_fd(), PollFlags::POLLIN)));
        if poll(&mut wanted, PollTimeout::NONE).is_err() {
            continue;
        }
        let able = |place: usize| wanted.get(place).is_some_and(|one| one.any().unwrap_or(true));
        let ends = able(0)
            || (able(1) && answer_client(lab, &listener))
            || (able(2) && answer_input(lab, &mut input));
        if ends {
            return Ok(());
        }
    }
}

/// Answers one line of one client; true if it was the last.
fn answer_client(lab: &Lab, listener: &UnixListener) -> bool {
    let Ok((client, _)) = listener.accept() else { return false };
    let _ = client.set_read_timeout(Some(PATIENCE));
    let _ = client.set_write_timeout(Some(PATIENCE));
    let mut line = String::new();
    if BufReader::new(&client).read_line(&mut line).is_err() {
        return false;
    }
    let (answer, last) = answer(lab, line.trim());
    let _ = (&client).write_all(answer.as_bytes());
    last
}

/// Answers the whole lines of standard input; true at its end.
fn answer_input(lab: &Lab, input: &mut Vec<u8>) -> bool {
    let mut piece = [0; 4096];
    // Not through `Stdin`, whose own buffer `poll` does not know.
    let read = nix::unistd::read(std::io::stdin().as_fd(), &mut piece);
    input.extend_from_slice(piece.get(..read.unwrap_or(0)).unwrap_or_default());
    while let Some(end) = input.iter().position(|byte| *byte == b'\n') {
        let line: Vec<u8> = input.drain(..=end).collect();
        let (answer, last) = answer(lab, String::from_utf8_lossy(&line).trim());
        print!("{answer}");
        let _ = std::io::stdout().flush();
        if last {
            return true;
        }
    }
    read.unwrap_or(0) == 0
}

/// `ok` or `error`, after what there is to say.
fn answer(lab: &Lab, line: &str) -> (String, bool) {
    match obey(lab, line) {
        _ if line == "down" => ("ok\n".into(), true),
        Ok(said) => (format!("{said}ok\n"), false),
        Err(error) => (format!("error: {}\n", error.to_string().replace('\n', " ")), false),
    }
}

/// Says a line to the lab of that name, and gives what it answers.
///
/// # Errors
/// There is no such lab, or it refuses.
pub fn tell(tag: &str, line: &str) -> Result<String, LabError> {
    let mut lab = UnixStream::connect(Lab::control(tag)).map_err(LabError::system(format!("lab {tag}")))?;
    writeln!(lab, "{line}").map_err(LabError::system(format!("lab {tag}")))?;
    let mut answer = String::new();
    lab.read_to_string(&mut answer).map_err(LabError::system(format!("lab {tag}")))?;
    match answer.strip_suffix("ok\n") {
        Some(said) => Ok(said.to_owned()),
        None => Err(LabError::asked(answer.trim().trim_start_matches("error: "))),
    }
}
