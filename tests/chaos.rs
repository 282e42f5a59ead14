//! Faults of one process and its data folder: kill -9, SIGTERM, a second process, a full disk, damaged files.

use std::time::Duration;

use origin::{Behaviour, Kind, World};

use crate::support::{Stage, StageOptions, delivery_errors, eventually, finished, report_skip, signal, text};

/// The delay between requests to one host. It is longer than a restart, so that only the stored schedule preserves
/// it.
const DELAY: Duration = Duration::from_millis(1500);

fn world() -> World {
    let mut world = World::empty(21);
    for kind in [Kind::Feed, Kind::Listing, Kind::Sitemap] {
        world.add(kind, Behaviour::Healthy, 4, Duration::ZERO);
    }
    world
}

/// Kills a node during its host delays, runs `between`, and completes the crawl with a new node.
async fn kill_and_restart(between: impl FnOnce(&Stage)) -> Stage {
    let stage = Stage::with_options(world(), StageOptions { delay: DELAY, ..StageOptions::default() }).await;
    let mut node = stage.node();
    // Three requests for each of three hosts (robots.txt, the front and one page): every host is in its delay.
    eventually("some pages are fetched", || stage.origin.log().len() >= 9).await;
    signal(&node, "KILL");
    node.wait().await.unwrap();
    between(&stage);
    let mut node = stage.node();
    let pages = || stage.origin.log().iter().filter(|exchange| exchange.path.starts_with("/news/")).count();
    eventually("the other pages are fetched", || pages() >= 12).await;
    let stored_items =
        || stage.database("store.db").query_row("SELECT count(*) FROM item", [], |row| row.get::<_, i64>(0));
    eventually("the other pages are stored", || stored_items().is_ok_and(|items| items >= 12)).await;
    signal(&node, "TERM");
    assert!(node.wait().await.unwrap().success());
    stage
}

#[tokio::test(flavor = "multi_thread")]
async fn after_kill_9_everything_is_stored_once_and_politely() {
    let stage = kill_and_restart(|_| ()).await;
    let expected: Vec<_> =
        stage.origin.world().sites.iter().flat_map(|site| stage.published(site, site)).collect();
    assert_eq!(delivery_errors(&expected, &stage.materials("all").await), Vec::<String>::new());
    assert_eq!(stage.judge().violations(), Vec::<String>::new());
}

/// The control: without the stored schedule the new process does not know the delays.
#[tokio::test(flavor = "multi_thread")]
async fn control_without_the_schedule_the_delay_is_forgotten() {
    let stage = kill_and_restart(|stage| {
        for file in ["schedule.db", "schedule.db-wal", "schedule.db-shm"] {
            let path = stage.path("data").join(file);
            if path.exists() {
                std::fs::remove_file(path).unwrap();
            }
        }
    })
    .await;
    assert!(
        !stage.judge().too_soon.is_empty(),
        "no delay was violated; smallest gap: {:?}",
        stage.judge().smallest_gap
    );
    // Stored items do not depend on the schedule.
    let expected: Vec<_> =
        stage.origin.world().sites.iter().flat_map(|site| stage.published(site, site)).collect();
    assert_eq!(delivery_errors(&expected, &stage.materials("all").await), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_completes_exchanges_in_flight_and_exits_with_success() {
    let mut world = World::empty(22);
    world.add(Kind::Feed, Behaviour::Slow, 3, Duration::ZERO);
    let stage = Stage::new(world).await;
    let mut node = stage.node();
    // robots.txt is complete, and the response of the front takes two seconds.
    eventually("robots.txt is fetched", || stage.origin.log().len() == 1).await;
    signal(&node, "TERM");
    let exit = tokio::time::timeout(Duration::from_secs(25), node.wait()).await;
    assert!(exit.expect("the node did not drain within 25 s").unwrap().success());
    let aborted = stage.origin.log().iter().filter(|exchange| exchange.status == 0).count();
    assert_eq!(aborted, 0, "an exchange was aborted: {:?}", stage.origin.log());
    // The node released its leases: the next pass continues at once with the queued pages.
    stage.pass().await;
    assert_eq!(stage.materials("all").await.len(), 3);
    assert_eq!(stage.judge().violations(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn second_signal_exits_at_once() {
    let mut world = World::empty(23);
    world.add(Kind::Feed, Behaviour::Stalled, 1, Duration::ZERO);
    // With these timeouts the first signal alone would wait for the stalled exchange.
    let options = StageOptions {
        deadline: Duration::from_secs(100),
        extra_settings: "[run]\nstuck_after = \"200s\"\ndrain = \"1h\"\nlease = \"250s\"\n[log]\nlevel = \"error\"\n",
        ..StageOptions::default()
    };
    let stage = Stage::with_options(world, options).await;
    let mut node = stage.node();
    let is_leased = || {
        stage.path("data/schedule.db").exists()
            && stage
                .database("schedule.db")
                .query_row("SELECT count(*) FROM host WHERE owner IS NOT NULL", [], |row| {
                    row.get::<_, i64>(0)
                })
                .is_ok_and(|hosts| hosts == 1)
    };
    eventually("the host is leased", is_leased).await;
    let mut stderr = tokio::io::BufReader::new(node.stderr.take().unwrap());
    signal(&node, "INT");
    use tokio::io::AsyncBufReadExt;
    let mut line = String::new();
    while !line.contains("a second signal exits at once") {
        line.clear();
        assert!(
            stderr.read_line(&mut line).await.unwrap() > 0,
            "the node exited without the hint about a second signal"
        );
    }
    signal(&node, "INT");
    assert_eq!(node.wait().await.unwrap().code(), Some(130));
}

#[tokio::test(flavor = "multi_thread")]
async fn second_process_on_a_data_folder_names_the_first() {
    let stage = Stage::new(world()).await;
    let mut node = stage.node();
    eventually("the node sends a request", || !stage.origin.log().is_empty()).await;
    let second = finished(stage.command(&["run", "--once"])).await;
    assert_eq!(second.status.code(), Some(1));
    let stderr = text(&second.stderr);
    assert!(stderr.contains(&format!("another qyran runs on {}", stage.path("data").display())), "{stderr}");
    assert!(stderr.contains(&format!("pid {}", node.id().unwrap())), "{stderr}");
    // Other commands work while the node runs.
    assert!(finished(stage.command(&["source", "list"])).await.status.success());
    signal(&node, "TERM");
    assert!(node.wait().await.unwrap().success());
    assert!(finished(stage.command(&["run", "--once"])).await.status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_file_is_reported_and_not_modified() {
    let stage = Stage::new(world()).await;
    std::fs::create_dir_all(stage.path("data")).unwrap();
    for (file, remedy) in [("store.db", "restore a backup"), ("schedule.db", "rebuilt from the store")] {
        let path = stage.path("data").join(file);
        std::fs::write(&path, "this is not a database, but it is long enough for a header\n".repeat(100))
            .unwrap();
        let content = std::fs::read(&path).unwrap();
        let output = finished(stage.command(&["run", "--once"])).await;
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(stderr.contains(file) && stderr.contains(remedy), "{stderr}");
        assert_eq!(std::fs::read(&path).unwrap(), content, "{file} was modified");
        std::fs::remove_file(&path).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn newer_schema_is_reported() {
    let stage = Stage::new(world()).await;
    stage.pass().await;
    stage.database("store.db").pragma_update(None, "user_version", 99).unwrap();
    let output = finished(stage.command(&["source", "list"])).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("schema version 99"), "{}", text(&output.stderr));
}

/// A read-only mount of the data folder, like a backup or the folder of another user. Needs the right to mount.
#[tokio::test(flavor = "multi_thread")]
async fn read_only_folder_is_reported_and_can_be_read() {
    let stage = Stage::new(world()).await;
    stage.pass().await;
    let data = stage.path("data").to_str().unwrap().to_owned();
    let mount = |options: &str| {
        let mut mount = std::process::Command::new("mount");
        mount.args(["-o", options, &data, &data]).output().is_ok_and(|output| output.status.success())
    };
    if !(mount("bind") && mount("bind,remount,ro")) {
        report_skip("no permission to mount a folder read-only");
        return;
    }
    let _unmount = Unmount(data.clone());
    assert_eq!(stage.materials("all").await.len(), 12);
    assert_eq!(stage.json_lines(&["source", "list", "-o", "jsonl"]).await.len(), 3);
    let output = finished(stage.command(&["source", "pause", &stage.origin.world().sites[0].name])).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("cannot be written"), "{}", text(&output.stderr));
}

/// A separate tmpfs of 16 MB as the data folder. Needs the right to mount.
#[tokio::test(flavor = "multi_thread")]
async fn full_disk_is_reported_and_survived() {
    let stage = Stage::new(world()).await;
    let data = stage.path("data");
    std::fs::create_dir_all(&data).unwrap();
    let disk = data.to_str().unwrap().to_owned();
    let mount =
        std::process::Command::new("mount").args(["-t", "tmpfs", "-o", "size=16M", "tmpfs", &disk]).output();
    if !mount.is_ok_and(|output| output.status.success()) {
        report_skip("no permission to mount a tmpfs");
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
    // The write fails when the disk is full, which is intended.
    let _ = std::fs::write(&filler, vec![0; 17 << 20]);
    let output = finished(stage.command(&["run", "--once", "-o", "json"])).await;
    let stderr = text(&output.stderr);
    assert!(!output.status.success(), "{}{stderr}", text(&output.stdout));
    assert!(stderr.contains("full"), "{stderr}");
    // The stored data can still be read.
    assert_eq!(stage.json_lines(&["source", "list", "-o", "jsonl"]).await.len(), 3);
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
