//! Redis, by the client that the store uses.

use redis::aio::MultiplexedConnection;
use redis::{Cmd, Value};

use crate::Failure;
use crate::direct::{self, ENDS, next, wrong};

/// The store's own scripts.
#[expect(dead_code, reason = "not all of them are measured")]
#[path = "../../../stores/redis/src/scripts.rs"]
mod scripts;

pub(crate) const PREFIX: &str = "bench:";

#[derive(Clone)]
pub(crate) struct Direct(MultiplexedConnection);

impl Direct {
    pub(crate) async fn connect(url: &str) -> Result<Self, Failure> {
        let client = redis::Client::open(url)?;
        let mut connection = client.get_multiplexed_async_connection().await?;
        for script in [&*scripts::REPLACE, &*scripts::TOUCH, &*scripts::DELETE] {
            let mut load = redis::cmd("SCRIPT");
            load.arg("LOAD").arg(&script.code);
            load.exec_async(&mut connection).await?;
        }
        Ok(Self(connection))
    }

    async fn send(&self, command: &Cmd) -> Result<Value, Failure> {
        Ok(command.query_async(&mut self.0.clone()).await?)
    }
}

/// A record as the store lays it out, with no subject.
fn record(value: &[u8]) -> Vec<u8> {
    let mut record = Vec::with_capacity(24 + value.len());
    record.extend_from_slice(b"crm\x01");
    record.extend_from_slice(&ENDS.to_be_bytes());
    record.extend_from_slice(&next().to_be_bytes());
    record.extend_from_slice(&u32::MAX.to_be_bytes());
    record.extend_from_slice(value);
    record
}

fn call(script: &scripts::Script, key: &str) -> Cmd {
    let mut command = redis::cmd("EVALSHA");
    command
        .arg(&script.digest)
        .arg(1)
        .arg(format!("{PREFIX}{key}"));
    command
}

impl direct::Direct for Direct {
    type Version = [u8; 8];

    async fn load(&self, key: &str) -> Result<[u8; 8], Failure> {
        let mut command = redis::cmd("GET");
        command.arg(format!("{PREFIX}{key}"));
        match self.send(&command).await? {
            Value::BulkString(bytes) if bytes.len() > 24 => Ok(bytes[12..20].try_into()?),
            _ => wrong("GET"),
        }
    }

    async fn create(&self, key: &str, value: &[u8]) -> Result<(), Failure> {
        let mut command = redis::cmd("SET");
        command
            .arg(format!("{PREFIX}{key}"))
            .arg(record(value))
            .arg("NX")
            .arg("PXAT")
            .arg(ENDS * 1000);
        match self.send(&command).await? {
            Value::Okay => Ok(()),
            _ => wrong("SET"),
        }
    }

    async fn replace(&self, key: &str, old: [u8; 8], value: &[u8]) -> Result<(), Failure> {
        let mut command = call(&scripts::REPLACE, key);
        command.arg(&old).arg(record(value)).arg(ENDS * 1000);
        match self.send(&command).await? {
            Value::Int(1) => Ok(()),
            _ => wrong("the script of replace"),
        }
    }

    async fn touch(&self, key: &str) -> Result<(), Failure> {
        let mut command = call(&scripts::TOUCH, key);
        command
            .arg(&ENDS.to_be_bytes())
            .arg(ENDS * 1000)
            .arg(format!("{PREFIX}subject "))
            .arg(key)
            .arg(ENDS)
            .arg(ENDS);
        match self.send(&command).await? {
            Value::Array(answer) if answer.first() == Some(&Value::Int(1)) => Ok(()),
            _ => wrong("the script of touch"),
        }
    }

    async fn delete(&self, key: &str, old: [u8; 8]) -> Result<(), Failure> {
        let mut command = call(&scripts::DELETE, key);
        command.arg(&old).arg(format!("{PREFIX}subject ")).arg(key);
        match self.send(&command).await? {
            Value::Int(1) => Ok(()),
            _ => wrong("the script of delete"),
        }
    }
}
