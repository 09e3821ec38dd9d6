//! Reading scripts, and the operations that do not concern the session: shared by all pages in
//! Rust.

use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

/// One operation with its name and arguments.
pub struct Op {
    pub name: String,
    argument: Value,
}

pub fn parse(text: &[u8]) -> Vec<Op> {
    let script: Value = serde_json::from_slice(text).unwrap_or_default();
    let ops = script["now"].as_array().cloned().unwrap_or_default();
    ops.into_iter()
        .map(|op| match op {
            Value::Object(op) => op
                .into_iter()
                .next()
                .map_or_else(Op::none, |(name, argument)| Op { name, argument }),
            op => Op {
                name: op.as_str().unwrap_or_default().to_owned(),
                argument: Value::Null,
            },
        })
        .collect()
}

impl Op {
    fn none() -> Self {
        Self {
            name: String::new(),
            argument: Value::Null,
        }
    }

    pub fn text(&self, at: usize) -> &str {
        self.argument
            .as_str()
            .or(self.argument[at].as_str())
            .unwrap_or_default()
    }

    pub fn value(&self, at: usize) -> &Value {
        &self.argument[at]
    }

    pub fn number(&self, at: usize) -> i64 {
        self.argument
            .as_i64()
            .or(self.argument[at].as_i64())
            .unwrap_or_default()
    }
}

/// The response to send.
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub results: Vec<Value>,
}

impl Reply {
    pub fn new() -> Self {
        Self {
            status: 200,
            headers: Vec::new(),
            results: Vec::new(),
        }
    }

    pub fn body(&self) -> String {
        Value::from(self.results.clone()).to_string()
    }

    /// Performs operations that do not concern the session. Rejects all others.
    pub async fn other(&mut self, op: &Op) -> Value {
        match op.name.as_str() {
            "status" => self.status = op.number(0) as u16,
            "header" => self
                .headers
                .push((op.text(0).to_owned(), op.text(1).to_owned())),
            "wait" => {
                if let Ok(mut gate) = TcpStream::connect(op.text(0)).await {
                    let _ = gate.read_to_end(&mut Vec::new()).await;
                }
            }
            "panic" => panic!("the script says so"),
            name => return json!({ "unsupported": name }),
        }
        Value::Null
    }
}
