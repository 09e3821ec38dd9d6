//! Reverse proxies in front of an HTTP server, with the configurations of a page of the
//! documentation.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::install::program;
use crate::output::say;
use crate::ports::free_port;
use crate::process::{Server, version};

/// The addresses in the page's configurations: where the proxy listens, and where the application
/// does.
const LISTEN: &str = "127.0.0.1:8080";
const APPLICATION: &str = "127.0.0.1:3000";

/// A proxy that the page has a configuration for.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// nginx.
    Nginx,
    /// Caddy.
    Caddy,
    /// HAProxy.
    HaProxy,
    /// Varnish.
    Varnish,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Nginx, Self::Caddy, Self::HaProxy, Self::Varnish];

    /// Returns the proxy's name, as the tests print it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Caddy => "caddy",
            Self::HaProxy => "haproxy",
            Self::Varnish => "varnish",
        }
    }

    /// Starts the proxy in front of `application`, with its configuration from `page`.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::Unsupported`] if the proxy cannot be had here.
    pub fn start(self, page: &str, application: SocketAddr) -> io::Result<ReverseProxy> {
        let (port, directory) = (free_port()?, TempDir::with_prefix("cloakroom-proxy-")?);
        let wanted = format!("127.0.0.1:{port}");
        let configuration = self
            .block(page)?
            .replace(LISTEN, &wanted)
            .replace(APPLICATION, &application.to_string())
            .replace("\"3000\"", &format!("\"{}\"", application.port()));
        let configuration = self.whole(&configuration, directory.path());
        let file = directory.path().join("configuration");
        fs::write(&file, configuration)?;
        let program = self.program()?;
        if let Ok(version) = version(&program) {
            say(format_args!("server  {} {version}", self.name()));
        }
        let arguments = self.arguments(&file, directory.path(), &wanted);
        let server = Server::start(&program, arguments, port)?;
        Ok(ReverseProxy {
            url: format!("http://{wanted}"),
            _server: server,
            _remove: directory,
        })
    }

    fn block(self, page: &str) -> io::Result<&str> {
        let fence = match self {
            Self::Nginx => "```nginx\n",
            Self::Caddy => "```caddy\n",
            Self::HaProxy => "```haproxy\n",
            Self::Varnish => "```vcl\n",
        };
        let block = page
            .split_once(fence)
            .and_then(|(_, from)| from.split_once("```"));
        block.map(|(block, _)| block).ok_or_else(|| {
            io::Error::other(format!("the page has no configuration for {}", self.name()))
        })
    }

    /// Adds what a server needs to run privately, and the page leaves out.
    fn whole(self, configuration: &str, directory: &Path) -> String {
        let directory = directory.display();
        match self {
            Self::Nginx => {
                let places: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
                    .map(|name| format!("    {name}_temp_path {directory}/{name};\n"))
                    .concat();
                format!(
                    "daemon off;\nuser root;\npid {directory}/pid;\nerror_log stderr;\n\
                     events {{}}\nhttp {{\n    access_log off;\n{places}{configuration}}}\n"
                )
            }
            Self::Caddy => format!("{{\n    auto_https off\n    admin off\n}}\n{configuration}"),
            // The black-box cases send up to 64 KiB of headers.
            Self::HaProxy => format!("global\n    tune.bufsize 131072\n\n{configuration}"),
            Self::Varnish => configuration.to_owned(),
        }
    }

    fn program(self) -> io::Result<PathBuf> {
        match self {
            Self::Nginx => program("nginx", "nginx-light", &[]),
            Self::Caddy => program("caddy", "caddy", &[]),
            Self::HaProxy => program("haproxy", "haproxy", &[]),
            Self::Varnish => program("varnishd", "varnish", &[]),
        }
    }

    fn arguments(self, file: &Path, directory: &Path, listen: &str) -> Vec<String> {
        let (file, directory) = (file.display().to_string(), directory.display());
        let words: &[&str] = match self {
            Self::Nginx => &["-c", &file],
            Self::Caddy => &["run", "--adapter", "caddyfile", "--config", &file],
            Self::HaProxy => &["-db", "-f", &file],
            Self::Varnish => &[
                "-F",
                "-j",
                "none",
                "-a",
                listen,
                "-f",
                &file,
                "-n",
                &format!("{directory}/work"),
                "-s",
                "malloc,16m",
                "-p",
                "http_req_hdr_len=96k",
                "-p",
                "http_req_size=128k",
                "-p",
                "workspace_client=512k",
                "-p",
                "workspace_backend=512k",
            ],
        };
        words.iter().copied().map(String::from).collect()
    }
}

/// A running proxy. Stops when dropped.
#[derive(Debug)]
pub struct ReverseProxy {
    url: String,
    _server: Server,
    _remove: TempDir,
}

impl ReverseProxy {
    /// Returns the URL at which the proxy listens.
    pub fn url(&self) -> &str {
        &self.url
    }
}
