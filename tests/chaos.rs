//! Things end when they should not: kill -9, SIGTERM, a second process, a full disk, damaged files.

use std::time::Duration;

use origin::{Behaviour, Kind, World};

use crate::support::{Stage, Staging, eventually, finished, not_exactly_once, signal, skipped, text};

/// Longer than a restart takes, so that only what was written down can keep it.
const DELAY: Duration = Duration::from_millis(1500);

fn world() -> World {
    let mut world = World::empty(21);
    for kind in [Kind::Feed, Kind::Listing, Kind::Sitemap] {
        world.add(kind, Behaviour::Healthy, 4, Duration::ZERO);
    }
    world
}

/// Kills a node in the middle of its delays, lets `between` happen, and finishes with a new one.
async fn killed_and_restarted(between: impl FnOnce(&Stage)) -> Stage {
    let stage = Stage::with(world(), Staging { delay: DELAY, ..Staging::default() }).await;
    let mut node = stage.node();
    // Three hosts, each with robots.txt, front and one page behind it: now every host is in a delay.
    eventually("some pages are read", || stage.origin.log().len() >= 9).await;
    signal(&node, "KILL");
    node.wait().await.unwrap();
    between(&stage);
    let mut node = stage.node();
    let pages = || stage.origin.log().iter().filter(|exchange| exchange.path.starts_with("/news/")).count();
    eventually("the rest is read", || pages() >= 12).await;
    let stored =
        || stage.database("store.db").query_row("SELECT count(*) FROM item", [], |row| row.get::<_, i64>(0));
    eventually("the rest is stored", || stored().is_ok_and(|items| items >= 12)).await;
    signal(&node, "TERM");
    assert!(node.wait().await.unwrap().success());
    stage
}

#[tokio::test(flavor = "multi_thread")]
async fn after_kill_9_everything_is_stored_once_and_politeness_held() {
    let stage = killed_and_restarted(|_| ()).await;
    let expected: Vec<_> =
        stage.origin.world().sites.iter().flat_map(|site| stage.published(site, site)).collect();
    assert_eq!(not_exactly_once(&expected, &stage.materials("all").await), Vec::<String>::new());
    assert_eq!(stage.judge().violations(), Vec::<String>::new());
}

/// The control: without the schedule that outlives the process nobody knows of the delays.
#[tokio::test(flavor = "multi_thread")]
async fn control_without_the_schedule_the_delay_is_forgotten() {
    let stage = killed_and_restarted(|stage| {
        for file in ["schedule.db", "schedule.db-wal", "schedule.db-shm"] {
            let path = stage.path("data").join(file);
            if path.exists() {
                std::fs::remove_file(path).unwrap();
            }
        }
    })
    .await;
    assert!(!stage.judge().too_soon.is_empty(), "the test cannot fail: {:?}", stage.judge().smallest_gap);
    // What the store keeps needs no schedule.
    let expected: Vec<_> =
        stage.origin.world().sites.iter().flat_map(|site| stage.published(site, site)).collect();
    assert_eq!(not_exactly_once(&expected, &stage.materials("all").await), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_finishes_what_is_under_way_and_ends_well() {
    let mut world = World::empty(22);
    world.add(Kind::Feed, Behaviour::Slow, 3, Duration::ZERO);
    let stage = Stage::of(world).await;
    let mut node = stage.node();
    // Its front is being answered, which takes two seconds; robots.txt was first.
    eventually("the front is asked for", || stage.origin.log().len() == 1).await;
    signal(&node, "TERM");
    let ended = tokio::time::timeout(Duration::from_secs(25), node.wait()).await;
    assert!(ended.expect("it drains within 25 s").unwrap().success());
    let cut = stage.origin.log().iter().filter(|exchange| exchange.status == 0).count();
    assert_eq!(cut, 0, "an exchange was cut off: {:?}", stage.origin.log());
    // Nothing is left behind: the next one goes on at once, and finds its pages queued.
    stage.pass().await;
    assert_eq!(stage.materials("all").await.len(), 3);
    assert_eq!(stage.judge().violations(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_at_once() {
    let mut world = World::empty(23);
    world.add(Kind::Feed, Behaviour::Stalled, 1, Duration::ZERO);
    // An hour, were it not for the second signal: the exchange may take so long on this stage.
    let patient = Staging {
        deadline: Duration::from_secs(100),
        more: "[run]\nstuck_after = \"200s\"\ndrain = \"1h\"\nlease = \"250s\"\n[log]\nlevel = \"error\"\n",
        ..Staging::default()
    };
    let stage = Stage::with(world, patient).await;
    let mut node = stage.node();
    let leased = || {
        stage.path("data/schedule.db").exists()
            && stage
                .database("schedule.db")
                .query_row("SELECT count(*) FROM host WHERE owner IS NOT NULL", [], |row| {
                    row.get::<_, i64>(0)
                })
                .is_ok_and(|hosts| hosts == 1)
    };
    eventually("the host is being visited", leased).await;
    let mut told = tokio::io::BufReader::new(node.stderr.take().unwrap());
    signal(&node, "INT");
    use tokio::io::AsyncBufReadExt;
    let mut line = String::new();
    while !line.contains("a second signal stops immediately") {
        line.clear();
        assert!(told.read_line(&mut line).await.unwrap() > 0, "it ended without a word");
    }
    signal(&node, "INT");
    assert_eq!(node.wait().await.unwrap().code(), Some(130));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_on_one_folder_is_told_who_has_it() {
    let stage = Stage::of(world()).await;
    let mut node = stage.node();
    eventually("it reads", || !stage.origin.log().is_empty()).await;
    let second = finished(stage.command(&["run", "--once"])).await;
    assert_eq!(second.status.code(), Some(1));
    let told = text(&second.stderr);
    assert!(told.contains(&format!("another qyran runs on {}", stage.path("data").display())), "{told}");
    assert!(told.contains(&format!("pid {}", node.id().unwrap())), "{told}");
    // Everything else works meanwhile.
    assert!(finished(stage.command(&["source", "list"])).await.status.success());
    signal(&node, "TERM");
    assert!(node.wait().await.unwrap().success());
    assert!(finished(stage.command(&["run", "--once"])).await.status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_file_is_told_and_left_alone() {
    let stage = Stage::of(world()).await;
    std::fs::create_dir_all(stage.path("data")).unwrap();
    for (file, remedy) in [("store.db", "restore a backup"), ("schedule.db", "rebuilt from the store")] {
        let path = stage.path("data").join(file);
        std::fs::write(&path, "this is no database, and long enough to be taken for one\n".repeat(100))
            .unwrap();
        let before = std::fs::read(&path).unwrap();
        let output = finished(stage.command(&["run", "--once"])).await;
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.contains(file) && told.contains(remedy), "{told}");
        assert_eq!(std::fs::read(&path).unwrap(), before, "{file} was touched");
        std::fs::remove_file(&path).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_schema_is_told() {
    let stage = Stage::of(world()).await;
    stage.pass().await;
    stage.database("store.db").pragma_update(None, "user_version", 99).unwrap();
    let output = finished(stage.command(&["source", "list"])).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("schema version 99"), "{}", text(&output.stderr));
}

/// The same tmpfs, mounted so that nothing can be written, as a backup or another user's folder.
#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_cannot_be_written_is_told_and_can_be_looked_at() {
    let stage = Stage::of(world()).await;
    stage.pass().await;
    let data = stage.path("data").to_str().unwrap().to_owned();
    let mount = |options: &str| {
        let mut mount = std::process::Command::new("mount");
        mount.args(["-o", options, &data, &data]).output().is_ok_and(|output| output.status.success())
    };
    if !(mount("bind") && mount("bind,remount,ro")) {
        skipped("no right to mount a folder read-only");
        return;
    }
    let _unmount = Unmount(data.clone());
    assert_eq!(stage.materials("all").await.len(), 12);
    assert_eq!(stage.lines(&["source", "list", "-o", "jsonl"]).await.len(), 3);
    let output = finished(stage.command(&["source", "pause", &stage.origin.world().sites[0].name])).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("cannot be written"), "{}", text(&output.stderr));
}

/// A disk of its own, of a few megabytes: needs the right to mount one.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_told_and_survived() {
    let stage = Stage::of(world()).await;
    let data = stage.path("data");
    std::fs::create_dir_all(&data).unwrap();
    let disk = data.to_str().unwrap().to_owned();
    let mount =
        std::process::Command::new("mount").args(["-t", "tmpfs", "-o", "size=16M", "tmpfs", &disk]).output();
    if !mount.is_ok_and(|output| output.status.success()) {
        skipped("no right to mount a small disk");
        return;
    }
    let _unmount = Unmount(disk);
    assert!(
        finished(stage.command(&["apply", "-f", stage.path("objects").to_str().unwrap()]))
            .await
            .status
            .success()
    );
    let filler = data.join("filler");
    // Fails where the disk ends, which is what is wanted.
    let _ = std::fs::write(&filler, vec![0; 17 << 20]);
    let output = finished(stage.command(&["run", "--once", "-o", "json"])).await;
    let told = text(&output.stderr);
    assert!(!output.status.success(), "{}{told}", text(&output.stdout));
    assert!(told.contains("full"), "{told}");
    // What is there can still be looked at.
    assert_eq!(stage.lines(&["source", "list", "-o", "jsonl"]).await.len(), 3);
    std::fs::remove_file(&filler).unwrap();
    let (_, output) = stage.pass().await;
    let (_, _) = stage.pass().await;
    assert_eq!(stage.materials("all").await.len(), 12, "{}", text(&output.stderr));
    assert_eq!(stage.judge().violations(), Vec::<String>::new());
}

struct Unmount(String);

impl Drop for Unmount {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").args(["-l", &self.0]).status();
    }
}
