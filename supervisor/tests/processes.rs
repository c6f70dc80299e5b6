//! The supervisor with real processes.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use supervisor::{
    Event, Program, Readiness, Restart, Signal, StartError, Status, Stop, Supervisor,
};

fn shell(name: &str, folder: &Path, script: &str) -> Program {
    Program::new(name, "/bin/sh", folder.join(format!("{name}.log"))).args(["-c", script])
}

fn exists(file: &Path) -> Readiness {
    let file = file.to_owned();
    Readiness::when(move || {
        let file = file.clone();
        async move {
            if file.exists() {
                Ok(())
            } else {
                Err("no file yet".to_owned())
            }
        }
    })
}

fn alive(pid: u32) -> bool {
    // A zombie has no command line.
    std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty())
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(tokio::time::Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn it_returns_from_a_start_when_the_program_is_ready() {
    let folder = tempfile::tempdir().unwrap();
    let flag = folder.path().join("flag");
    let (supervisor, _events) = Supervisor::new();
    let program = shell("server", folder.path(), "touch flag; exec sleep 600")
        .in_folder(folder.path())
        .ready_when(exists(&flag));
    supervisor.start(program).await.unwrap();
    assert!(flag.exists());
    assert!(matches!(
        supervisor.status()[..],
        [(_, Status::Ready { .. })]
    ));
    supervisor.stop_all().await;
}

#[tokio::test]
async fn it_shows_the_end_of_the_log_of_a_program_that_ends_before_it_is_ready() {
    let folder = tempfile::tempdir().unwrap();
    let (supervisor, _events) = Supervisor::new();
    let program = shell("server", folder.path(), "echo no disk; exit 3")
        .ready_when(exists(Path::new("/nonexistent")));
    let error = supervisor.start(program).await.unwrap_err();
    assert!(
        matches!(&error, StartError::Ended { how, tail, .. }
            if how == "ended with status 3" && tail == "no disk"),
        "{error}"
    );
}

#[tokio::test]
async fn it_names_a_program_that_does_not_exist() {
    let folder = tempfile::tempdir().unwrap();
    let (supervisor, _events) = Supervisor::new();
    let error = supervisor
        .start(Program::new(
            "server",
            "/nonexistent/server",
            folder.path().join("log"),
        ))
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("`/nonexistent/server`"),
        "{error}"
    );
}

#[tokio::test]
async fn it_stops_a_program_that_is_not_ready_in_time_and_tells_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let (supervisor, _events) = Supervisor::new();
    let program = shell("server", folder.path(), "echo $$ > pid; exec sleep 600")
        .in_folder(folder.path())
        .ready_when(exists(Path::new("/nonexistent")))
        .ready_within(Duration::from_secs(3));
    let error = supervisor.start(program).await.unwrap_err();
    assert!(
        matches!(&error, StartError::NotReady { reason, .. } if reason == "no file yet"),
        "{error}"
    );
    let pid = std::fs::read_to_string(folder.path().join("pid"))
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    assert!(!alive(pid));
}

#[tokio::test]
async fn it_stops_the_last_started_first_and_leaves_no_grandchild() {
    let folder = tempfile::tempdir().unwrap();
    let (supervisor, _events) = Supervisor::new();
    for name in ["first", "second"] {
        let script = format!(
            "trap 'echo {name} >> order; exit 0' TERM; sleep 600 & echo $! > {name}.child; while \
             :; do wait; done"
        );
        let child = folder.path().join(format!("{name}.child"));
        supervisor
            .start(
                shell(name, folder.path(), &script)
                    .in_folder(folder.path())
                    .ready_when(exists(&child)),
            )
            .await
            .unwrap();
    }
    supervisor.stop_all().await;
    assert_eq!(
        std::fs::read_to_string(folder.path().join("order")).unwrap(),
        "second\nfirst\n"
    );
    for name in ["first", "second"] {
        let child = std::fs::read_to_string(folder.path().join(format!("{name}.child")))
            .unwrap()
            .trim()
            .parse()
            .unwrap();
        until("a grandchild outlives its group", || !alive(child)).await;
    }
}

#[tokio::test]
async fn it_kills_what_does_not_stop() {
    let folder = tempfile::tempdir().unwrap();
    let flag = folder.path().join("deaf");
    let (supervisor, _events) = Supervisor::new();
    let program = shell(
        "deaf",
        folder.path(),
        "trap '' TERM; touch deaf; while :; do sleep 1; done",
    )
    .in_folder(folder.path())
    .ready_when(exists(&flag))
    .stop_with(Stop {
        signal: Signal::TERM,
        patience: Duration::from_millis(300),
    });
    supervisor.start(program).await.unwrap();
    let [(_, Status::Ready { pid, .. })] = supervisor.status()[..] else {
        panic!("not ready")
    };
    supervisor.stop_all().await;
    assert!(!alive(pid));
}

#[tokio::test]
async fn it_restarts_what_crashes_and_tells() {
    let folder = tempfile::tempdir().unwrap();
    let (supervisor, mut events) = Supervisor::new();
    // Crashes the first time, a moment after it was ready; works the second time.
    let script =
        "if [ -e again ]; then touch up; exec sleep 600; fi; touch again up; echo broken; exit 7";
    let program = shell("server", folder.path(), script)
        .in_folder(folder.path())
        .restart(Restart::WithBackoff);
    supervisor.start(program).await.unwrap();
    assert!(matches!(
        events.recv().await.unwrap(),
        Event::Restarting { how, tail, ends: 1, .. }
            if how == "ended with status 7" && tail == "broken"
    ));
    assert!(matches!(
        events.recv().await.unwrap(),
        Event::Recovered { .. }
    ));
    supervisor.stop_all().await;
}

/// A check that goes as the letters say, one after the other and from the front again: `y` holds,
/// `n` fails. Beside it, how often it was made.
fn scripted(letters: &'static str) -> (Readiness, Arc<AtomicUsize>) {
    let made = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&made);
    let check = Readiness::when(move || {
        let at = count.fetch_add(1, Ordering::SeqCst) % letters.len();
        let holds = letters.as_bytes()[at] == b'y';
        async move { holds.then_some(()).ok_or_else(|| "no work done".to_owned()) }
    });
    (check, made)
}

#[tokio::test]
async fn it_starts_again_what_runs_and_no_longer_works() {
    let folder = tempfile::tempdir().unwrap();
    let (supervisor, mut events) = Supervisor::new();
    let (check, _) = scripted("ynyynnyynnn");
    let program = shell("server", folder.path(), "echo $$ >> pids; exec sleep 600")
        .in_folder(folder.path())
        .works_while(check, Duration::from_millis(1))
        .restart(Restart::WithBackoff);
    supervisor.start(program).await.unwrap();
    assert!(matches!(
        events.recv().await.unwrap(),
        Event::Restarting { how, ends: 1, .. }
            if how == "no longer worked (no work done) and was stopped"
    ));
    assert!(matches!(
        events.recv().await.unwrap(),
        Event::Recovered { .. }
    ));
    let pids = || std::fs::read_to_string(folder.path().join("pids")).unwrap();
    until("the second one runs", || pids().lines().count() > 1).await;
    let first = pids().lines().next().unwrap().parse().unwrap();
    assert!(!alive(first));
    supervisor.stop_all().await;
}

#[tokio::test]
async fn it_leaves_alone_what_fails_for_a_moment_or_has_not_worked_yet() {
    for letters in ["ynn", "n"] {
        let folder = tempfile::tempdir().unwrap();
        let (supervisor, mut events) = Supervisor::new();
        let (check, made) = scripted(letters);
        let program = shell("server", folder.path(), "exec sleep 600")
            .works_while(check, Duration::from_millis(1))
            .restart(Restart::WithBackoff);
        supervisor.start(program).await.unwrap();
        until("it is looked at", || made.load(Ordering::SeqCst) > 30).await;
        assert!(events.try_recv().is_err(), "{letters}");
        supervisor.stop_all().await;
    }
}

#[tokio::test]
async fn it_tells_in_one_line_why_a_restarted_program_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let command = folder.path().join("server");
    let flag = folder.path().join("up");
    let (supervisor, mut events) = Supervisor::new();
    // Works once, until it is told to end; hangs the second time, and is gone from the disk the
    // third time.
    let script = "#!/bin/sh\nif [ -e again ]; then rm server; echo one; echo two; exec sleep \
                  600; fi\ntouch again up; while [ ! -e go ]; do sleep 0.05; done; rm up; exit 7\n";
    std::fs::write(&command, script).unwrap();
    std::fs::set_permissions(&command, std::fs::Permissions::from_mode(0o755)).unwrap();
    let program = Program::new("server", &command, folder.path().join("log"))
        .in_folder(folder.path())
        .ready_when(exists(&flag))
        .ready_within(Duration::from_secs(5))
        .restart(Restart::WithBackoff);
    supervisor.start(program).await.unwrap();
    std::fs::write(folder.path().join("go"), "").unwrap();
    let mut ends = Vec::new();
    while ends.len() < 3 {
        let Event::Restarting { how, tail, .. } = events.recv().await.unwrap() else {
            panic!("it is never ready again")
        };
        ends.push((how, tail));
    }
    let command = command.display();
    let expected = [
        ("ended with status 7".to_owned(), ""),
        (
            "was not ready after 5 s: no file yet".to_owned(),
            "one\ntwo",
        ),
        (
            format!("cannot be started from `{command}`: No such file or directory (os error 2)"),
            "",
        ),
    ];
    assert_eq!(ends, expected.map(|(how, tail)| (how, tail.to_owned())));
    supervisor.stop_all().await;
}

#[tokio::test]
async fn it_gives_up_what_is_not_to_be_restarted() {
    let folder = tempfile::tempdir().unwrap();
    let (supervisor, mut events) = Supervisor::new();
    supervisor
        .start(shell("server", folder.path(), "exit 0"))
        .await
        .unwrap();
    assert!(matches!(
        events.recv().await.unwrap(),
        Event::GivenUp { how, .. } if how == "ended by itself"
    ));
}

#[tokio::test]
async fn it_keeps_the_log_of_the_run_before() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("server.log"), "before").unwrap();
    let (supervisor, _events) = Supervisor::new();
    supervisor
        .start(shell("server", folder.path(), "exec sleep 600"))
        .await
        .unwrap();
    supervisor.stop_all().await;
    assert_eq!(
        std::fs::read_to_string(folder.path().join("server.log.old")).unwrap(),
        "before"
    );
}

#[tokio::test]
async fn it_leaves_the_others_alone_when_one_does_not_stay_up() {
    let folder = tempfile::tempdir().unwrap();
    let (supervisor, mut events) = Supervisor::new();
    supervisor
        .start(shell("steady", folder.path(), "exec sleep 600"))
        .await
        .unwrap();
    let steady = supervisor.status()[0].1;
    // The first start succeeds; it ends when it is told to, and so does each later one at once.
    let script = "while [ ! -e go ]; do sleep 0.05; done; exit 1";
    let crashing = shell("crashing", folder.path(), script)
        .in_folder(folder.path())
        .restart(Restart::WithBackoff);
    supervisor.start(crashing).await.unwrap();
    std::fs::write(folder.path().join("go"), "").unwrap();
    let mut ends = Vec::new();
    while ends.len() < 3 {
        if let Some(Event::Restarting {
            name, ends: count, ..
        }) = events.recv().await
        {
            assert_eq!(name, "crashing");
            ends.push(count);
        }
    }
    assert_eq!(ends, [1, 2, 3]);
    assert_eq!(supervisor.status()[0], ("steady".to_owned(), steady));
    supervisor.stop_all().await;
}
