use std::collections::HashMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fantoccini::cookies::Cookie;
use fantoccini::wd::Capabilities;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::{sleep, timeout};

use crate::program::{Failure, Process, fail};

/// How long a page may take to appear, and how often to look.
const PAGE: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(5);

/// How long the package manager may take.
const INSTALL: Duration = Duration::from_secs(600);

/// Where the browser is, and the program that drives it.
pub(super) struct Programs {
    chromium: PathBuf,
    driver: PathBuf,
}

/// The environment variables with their paths, if they are not in the `PATH`.
const CHROMIUM: &str = "CONFORMANCE_CHROMIUM";
const DRIVER: &str = "CONFORMANCE_CHROMEDRIVER";

/// Finds them, and installs them where that is possible without asking anybody.
///
/// The error has the reason why the cases are skipped.
pub(super) async fn programs() -> Result<Programs, String> {
    let missing = match find() {
        Ok(programs) => return Ok(programs),
        Err(missing) => missing,
    };
    let named = [CHROMIUM, DRIVER]
        .iter()
        .any(|variable| std::env::var_os(variable).is_some());
    // A named program is used, and no other.
    if named || !is_root() || on_path("apt-get").is_none() {
        return Err(missing);
    }
    install().await;
    find()
}

fn find() -> Result<Programs, String> {
    let program = |variable, name| {
        let found = match std::env::var_os(variable) {
            Some(path) => Some(PathBuf::from(path)).filter(|path| path.is_file()),
            None => on_path(name),
        };
        found.ok_or_else(|| {
            format!(
                "{name} is not there: install it (Debian: `apt-get install chromium chromium-driver`), or name the program in {variable}"
            )
        })
    };
    Ok(Programs {
        chromium: program(CHROMIUM, "chromium")?,
        driver: program(DRIVER, "chromedriver")?,
    })
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|directory| directory.join(name))
        .find(|path| path.is_file())
}

/// Whether it worked is seen by looking for the programs again.
async fn install() {
    for package in ["chromium", "chromium-driver"] {
        let installed = tokio::task::spawn_blocking(move || cloakroom_servers::package(package));
        let _ = timeout(INSTALL, installed).await;
    }
}

/// A browser of its own, with a profile of its own. Ends when dropped.
pub(super) struct Browser {
    client: Client,
    /// Where the driver listens.
    url: String,
    // The driver ends before its profile is removed, so that nothing writes there any more.
    _driver: Process,
    _profile: Arc<TempDir>,
}

/// A directory in which one browser after the other keeps what it has.
#[derive(Clone)]
pub(super) struct Profile(Arc<TempDir>);

impl Profile {
    pub(super) fn new() -> Result<Self, Failure> {
        let profile = tempfile::Builder::new()
            .prefix("cloakroom-browser-")
            .tempdir()?;
        Ok(Self(Arc::new(profile)))
    }
}

impl Browser {
    pub(super) async fn start(programs: &Programs) -> Result<Self, Failure> {
        Self::start_with(programs, &Profile::new()?, &[]).await
    }

    /// Starts it with further arguments, in a profile that another browser may have left.
    pub(super) async fn start_with(
        programs: &Programs,
        Profile(profile): &Profile,
        arguments: &[String],
    ) -> Result<Self, Failure> {
        let mut command = Command::new(&programs.driver);
        command
            .arg("--port=0")
            // Here goes what it and the browser would leave behind elsewhere.
            .env("TMPDIR", profile.path())
            .stderr(Stdio::null());
        let mut driver = Process::start("ChromeDriver", &mut command)?;
        let port = |line: &str| {
            line.split_once("successfully on port ")?
                .1
                .trim_end_matches('.')
                .parse::<u16>()
                .ok()
        };
        let port = driver.says(port).await?;
        let url = format!("http://127.0.0.1:{port}");
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities(programs, profile, arguments))
            .connect(&url)
            .await?;
        Ok(Self {
            client,
            url,
            _driver: driver,
            _profile: profile.clone(),
        })
    }

    /// Closes it in an orderly way. Dropping it is enough, and is what happens when a case fails.
    pub(super) async fn close(self) -> Result<(), Failure> {
        Ok(self.client.clone().close().await?)
    }

    pub(super) async fn visit(&self, url: &str) -> Result<(), Failure> {
        Ok(self.client.goto(url).await?)
    }

    pub(super) async fn reload(&self) -> Result<(), Failure> {
        Ok(self.client.refresh().await?)
    }

    /// Clicks on what leads to another page, and waits until that has been loaded.
    pub(super) async fn follow(&self, css: &str) -> Result<(), Failure> {
        self.client
            .execute("window.isTheOldPage = true", Vec::new())
            .await?;
        self.client.find(Locator::Css(css)).await?.click().await?;
        let started = Instant::now();
        while started.elapsed() < PAGE {
            let loaded = "return !window.isTheOldPage && document.readyState === 'complete'";
            // An error is what the driver answers between two pages.
            if let Ok(Value::Bool(true)) = self.client.execute(loaded, Vec::new()).await {
                return Ok(());
            }
            sleep(LOOK).await;
        }
        fail(format!(
            "a click on `{css}` led to no other page within {PAGE:?}"
        ))
    }

    pub(super) async fn fill(&self, css: &str, text: &str) -> Result<(), Failure> {
        Ok(self
            .client
            .find(Locator::Css(css))
            .await?
            .send_keys(text)
            .await?)
    }

    pub(super) async fn clear(&self, css: &str) -> Result<(), Failure> {
        Ok(self.client.find(Locator::Css(css)).await?.clear().await?)
    }

    /// The texts of everything that matches.
    pub(super) async fn texts(&self, css: &str) -> Result<Vec<String>, Failure> {
        let mut texts = Vec::new();
        for element in self.client.find_all(Locator::Css(css)).await? {
            texts.push(element.text().await?);
        }
        Ok(texts)
    }

    pub(super) async fn path(&self) -> Result<String, Failure> {
        Ok(self.client.current_url().await?.path().to_owned())
    }

    /// The session cookie, as the browser keeps it for this page.
    pub(super) async fn session_cookie(&self) -> Result<Option<Cookie<'static>>, Failure> {
        let cookies = self.client.get_all_cookies().await?;
        Ok(cookies
            .into_iter()
            .find(|cookie| cookie.name() == "__Host-session"))
    }

    /// Returns all cookies of the browser by name, for any page. Uses the DevTools protocol,
    /// because WebDriver omits attributes.
    pub(super) async fn all_cookies(&self) -> Result<HashMap<String, Kept>, Failure> {
        let mut kept = HashMap::new();
        for cookie in self.jar().await? {
            let text = |name: &str| cookie[name].as_str().unwrap_or_default().to_owned();
            let is = |name: &str| cookie[name] == true;
            let name = text("name");
            let expires = cookie["expires"].as_f64().filter(|_| !is("session"));
            let one = Kept {
                value: text("value"),
                domain: text("domain"),
                path: text("path"),
                expires: expires.map(|seconds| seconds as u64),
                secure: is("secure"),
                http_only: is("httpOnly"),
                same_site: cookie["sameSite"].as_str().map(str::to_owned),
                partitioned: !cookie["partitionKey"].is_null(),
            };
            if kept.insert(name.clone(), one).is_some() {
                return fail(format!("the browser keeps {name} twice"));
            }
        }
        Ok(kept)
    }

    /// Returns all cookies, as another browser takes them.
    pub(super) async fn jar(&self) -> Result<Vec<Value>, Failure> {
        let answer = self.devtools("Storage.getCookies", json!({})).await?;
        match answer["cookies"].as_array() {
            Some(cookies) => Ok(cookies.clone()),
            None => fail(format!("the browser does not tell its cookies: {answer}")),
        }
    }

    /// Puts cookies of another browser into this one.
    pub(super) async fn put(&self, jar: Vec<Value>) -> Result<(), Failure> {
        let cookies = json!({ "cookies": jar });
        self.devtools("Storage.setCookies", cookies).await?;
        Ok(())
    }

    /// Removes the cookies of this name, as their expiry does.
    pub(super) async fn remove_cookie(&self, name: &str, url: &str) -> Result<(), Failure> {
        let cookie = json!({ "name": name, "url": url });
        self.devtools("Network.deleteCookies", cookie).await?;
        Ok(())
    }

    /// Runs a command of the DevTools protocol.
    async fn devtools(&self, command: &str, parameters: Value) -> Result<Value, Failure> {
        let Some(session) = self.client.session_id().await? else {
            return fail("the browser has no session");
        };
        let url = format!("{}/session/{session}/goog/cdp/execute", self.url);
        let command = json!({ "cmd": command, "params": parameters });
        let client = reqwest::Client::builder().no_proxy().build()?;
        let request = client.post(url).body(command.to_string());
        let answer = request.send().await?.text().await?;
        let mut answer: Value = serde_json::from_str(&answer)?;
        if !answer["value"]["error"].is_null() {
            return fail(format!("the browser refuses {command}: {answer}"));
        }
        Ok(answer["value"].take())
    }

    /// Returns what a promise of this page's script comes to. `script` is the promise.
    pub(super) async fn promise(&self, script: &str) -> Result<Value, Failure> {
        let script =
            format!("const done = arguments[0]; ({script}).then(done, error => done('' + error))");
        Ok(self.client.execute_async(&script, Vec::new()).await?)
    }

    /// Returns the cookies that scripts of this page see.
    pub(super) async fn cookies_for_scripts(&self) -> Result<String, Failure> {
        let cookies = self
            .client
            .execute("return document.cookie", Vec::new())
            .await?;
        Ok(cookies.as_str().unwrap_or_default().to_owned())
    }

    /// Opens a tab and goes there.
    pub(super) async fn open_tab(&self) -> Result<Tab, Failure> {
        let tab = self.client.new_window(true).await?.handle;
        self.client.switch_to_window(tab.clone()).await?;
        Ok(Tab(tab))
    }

    pub(super) async fn tab(&self) -> Result<Tab, Failure> {
        Ok(Tab(self.client.window().await?))
    }

    pub(super) async fn switch_to(&self, tab: &Tab) -> Result<(), Failure> {
        Ok(self.client.switch_to_window(tab.0.clone()).await?)
    }
}

/// A cookie as the browser keeps it.
#[derive(Debug, PartialEq)]
pub(super) struct Kept {
    pub(super) value: String,
    /// With a dot before it if others below this host get the cookie too.
    pub(super) domain: String,
    pub(super) path: String,
    /// In seconds since 1970; none: it ends with the browser.
    pub(super) expires: Option<u64>,
    pub(super) secure: bool,
    pub(super) http_only: bool,
    pub(super) same_site: Option<String>,
    pub(super) partitioned: bool,
}

/// A tab of a browser.
pub(super) struct Tab(fantoccini::wd::WindowHandle);

fn capabilities(programs: &Programs, profile: &TempDir, further: &[String]) -> Capabilities {
    let mut arguments = vec![
        "--headless=new".to_owned(),
        "--disable-gpu".to_owned(),
        "--disable-dev-shm-usage".to_owned(),
        "--no-proxy-server".to_owned(),
        "--window-size=1100,900".to_owned(),
        // A browser whose driver has been killed sees the pipe close, and ends.
        "--remote-debugging-pipe".to_owned(),
        format!(
            "--user-data-dir={}",
            profile.path().join("profile").display()
        ),
    ];
    if is_root() {
        // Chromium refuses to run as root otherwise. It sees the demo and nothing else.
        arguments.push("--no-sandbox".to_owned());
    }
    arguments.extend_from_slice(further);
    let options = json!({ "binary": programs.chromium, "args": arguments });
    Capabilities::from_iter([("goog:chromeOptions".to_owned(), options)])
}

/// Whether this process may do everything.
fn is_root() -> bool {
    #[cfg(unix)]
    return rustix::process::geteuid().is_root();
    #[cfg(not(unix))]
    return false;
}
