//! What lies on the disk: no name and no content of the user's, in no file and no log.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::path::Path;

use support::host::Host;
use support::shell;

const MARKERS: [&str; 4] = ["MarkedContentQX7", "MarkedNameQX7", "MarkedTargetQX7", "MarkedValueQX7"];

fn found(folder: &Path, marker: &str) -> String {
    shell(folder, &format!("grep -rlaF {marker} . || true"))
}

/// Marked names, contents, link targets and attributes leave no trace in the store or the tracing output.
#[test]
fn nothing_of_the_user_lies_in_the_clear() {
    let host = Host::new("desk");
    host.init();
    let mount = host.mountpoint();
    let log = host.path("trace.log");
    let mut command = host.bosr(&["mount", "-f", mount.to_str().unwrap()]);
    command.env("BOSR_LOG", "debug");
    let out = std::fs::File::create(&log).unwrap();
    let mut owner = command.stdout(out.try_clone().unwrap()).stderr(out).spawn().unwrap();
    support::until("the mount", std::time::Duration::from_secs(20), || {
        std::process::Command::new("mountpoint").arg("-q").arg(&mount).status().unwrap().success()
    });
    shell(
        &mount,
        "mkdir MarkedNameQX7-folder; cd MarkedNameQX7-folder
        for n in 1 2 3; do (yes MarkedContentQX7 || true) | head -c $((n * 3000)) > MarkedNameQX7-$n; done
        (yes MarkedContentQX7 || true) | head -c 3000000 > large; sync large; ln -s MarkedTargetQX7 link
        setfattr -n user.note -v MarkedValueQX7 large; mv large MarkedNameQX7-moved; rm MarkedNameQX7-1
        echo MarkedContentQX7 | dd of=MarkedNameQX7-2 conv=notrunc,fsync status=none",
    );
    shell(&mount, "sync");
    for marker in MARKERS {
        assert_eq!(found(&host.path("home"), marker), "", "{marker} with the vault open");
    }
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(i32::try_from(owner.id()).unwrap()),
        nix::sys::signal::Signal::SIGTERM,
    )
    .unwrap();
    assert!(owner.wait().unwrap().success());
    for marker in MARKERS {
        assert_eq!(found(&host.path("home"), marker), "", "{marker} after closing");
        assert_eq!(found(&host.path("run"), marker), "", "{marker} at run time");
        assert_eq!(
            shell(Path::new("/"), &format!("grep -caF {marker} {} || true", log.display())).trim(),
            "0"
        );
    }
    host.fsck();
}
