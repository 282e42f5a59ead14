//! A third-party site behind a third-party server: Debian's Python documentation, served by Debian's nginx and
//! crawled as a listing source.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::support::{eventually, finished, qyran, report_skip, text};

const SITE: &str = "/usr/share/doc/python3-doc/html";

struct Nginx {
    child: Child,
    folder: tempfile::TempDir,
    port: u16,
}

impl Nginx {
    /// Starts nginx with a site. Reports a skip and returns `None` if either package is not installed.
    fn start(site: &str) -> Option<Self> {
        let binary = ["/usr/sbin/nginx", "/usr/bin/nginx"].into_iter().find(|path| Path::new(path).exists());
        let (Some(binary), true) = (binary, Path::new(site).join("index.html").exists()) else {
            report_skip(&format!("nginx or {site} is not installed"));
            return None;
        };
        let folder = tempfile::TempDir::new().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let base = folder.path().display();
        let settings = format!(
            "worker_processes 1;\ndaemon off;\nmaster_process off;\npid {base}/pid;\nerror_log {base}/error.log;\n\
             events {{ worker_connections 64; }}\nhttp {{\n  types {{ text/html html; }}\n  access_log {base}/access.log;\n\
             client_body_temp_path {base}/a; proxy_temp_path {base}/b; fastcgi_temp_path {base}/c; uwsgi_temp_path {base}/d;\n\
             scgi_temp_path {base}/e;\n  gzip on;\n  server {{ listen 127.0.0.1:{port}; root {site}; }}\n}}\n"
        );
        std::fs::write(folder.path().join("nginx.conf"), settings).unwrap();
        let child = Command::new(binary)
            .args(["-p", folder.path().to_str().unwrap(), "-c", "nginx.conf", "-e", "error.log"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Some(Self { child, folder, port })
    }

    fn requests(&self) -> Vec<String> {
        let log = std::fs::read_to_string(self.folder.path().join("access.log")).unwrap_or_default();
        log.lines().map(str::to_owned).collect()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn third_party_site_is_crawled_as_a_listing() {
    let Some(nginx) = Nginx::start(SITE) else { return };
    eventually("nginx accepts connections", || {
        std::net::TcpStream::connect(("127.0.0.1", nginx.port)).is_ok()
    })
    .await;
    let workspace = tempfile::TempDir::new().unwrap();
    let path = |name: &str| workspace.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(
        path("qyran.toml"),
        "[fetch]\ndelay = \"20ms\"\nallow_addresses = [\"127.0.0.0/8\"]\n[fetch.resolve]\n\"docs.site\" = \"127.0.0.1\"\n",
    )
    .unwrap();
    std::fs::write(
        path("objects.yaml"),
        format!(
            "apiVersion: qyran.dev/v1alpha1\nkind: Source\nmetadata: {{name: python}}\n\
             spec: {{kind: listing, url: 'http://docs.site:{}/library/index.html', selectors: {{item: 'li.toctree-l1', text: 'div.body', title: 'h1'}}}}\n---\n\
             apiVersion: qyran.dev/v1alpha1\nkind: Topic\nmetadata: {{name: strings}}\nspec: {{query: 'string AND (formatting OR \"regular expression\")'}}\n",
            nginx.port
        ),
    )
    .unwrap();
    let run = |arguments: &[&str]| {
        let mut command = qyran(&["--config", &path("qyran.toml"), "--data", &path("data")]);
        command.args(arguments);
        finished(command)
    };
    let output = run(&["run", "-f", &path("objects.yaml"), "--once", "--pages", "12", "-o", "json"]).await;
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!((report["items"].as_u64(), report["fetches"].as_u64()), (Some(12), Some(13)), "{report}");
    assert!(report["materials"].as_u64().unwrap() >= 1, "{report}");

    let requests = nginx.requests();
    assert_eq!(requests.len(), 14, "expected robots.txt, the listing and twelve pages: {requests:#?}");
    assert!(requests[0].contains("GET /robots.txt") && requests[0].contains("Qyran/"), "{}", requests[0]);
    let materials = text(&run(&["material", "list", "--topic", "strings", "-o", "jsonl"]).await.stdout);
    let material: Value = serde_json::from_str(materials.lines().next().unwrap()).unwrap();
    assert!(material["text"].as_str().unwrap().len() > 500, "{material}");
    assert_eq!(material["language"], "en");

    // Read pages are not fetched again, and the listing is requested conditionally and answered with 304.
    let second_run = run(&["run", "--once", "--now", "--pages", "1", "-o", "json"]).await;
    let report: Value = serde_json::from_slice(&second_run.stdout).unwrap();
    assert_eq!(report["items"], 1, "expected one more of the queued pages: {report}");
    assert!(
        nginx.requests()[14..].iter().any(|line| line.contains("\" 304 ")),
        "{:#?}",
        &nginx.requests()[14..]
    );
}
