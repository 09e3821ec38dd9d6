//! MongoDB, by the client that the store uses.

use mongodb::bson::raw::RawDocumentBuf;
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, Bson, DateTime, Document, doc};
use mongodb::options::{Acknowledgment, ClientOptions, ReadConcern, WriteConcern};
use mongodb::{Client, Collection};

use crate::Failure;
use crate::direct::{self, ENDS, next, wrong};

pub(crate) const DATABASE: &str = "bench";
const COLLECTION: &str = "direct";

#[derive(Clone)]
pub(crate) struct Direct(Collection<RawDocumentBuf>);

impl Direct {
    /// With the concerns that the store has.
    pub(crate) async fn connect(url: &str) -> Result<Self, Failure> {
        let mut options = ClientOptions::parse(url).await?;
        options.read_concern = Some(ReadConcern::majority());
        let mut concern = WriteConcern::default();
        concern.w = Some(Acknowledgment::Majority);
        concern.journal = Some(true);
        options.write_concern = Some(concern);
        options.retry_writes = Some(false);
        let client = Client::with_options(options)?;
        Ok(Self(client.database(DATABASE).collection(COLLECTION)))
    }
}

fn bytes(bytes: &[u8]) -> Bson {
    Bson::Binary(Binary {
        subtype: BinarySubtype::Generic,
        bytes: bytes.to_vec(),
    })
}

fn document(key: &str, value: &[u8]) -> Document {
    doc! {
        "_id": bytes(key.as_bytes()),
        "value": bytes(value),
        "expires_at": time(ENDS),
        "version": next().cast_signed(),
    }
}

fn time(seconds: u64) -> DateTime {
    DateTime::from_millis(seconds.cast_signed() * 1000)
}

fn living(key: &str) -> Document {
    doc! { "_id": bytes(key.as_bytes()), "expires_at": { "$gt": DateTime::now() } }
}

impl direct::Direct for Direct {
    type Version = i64;

    async fn load(&self, key: &str) -> Result<i64, Failure> {
        match self.0.find_one(living(key)).await? {
            Some(found) => Ok(found.get_i64("version")?),
            None => wrong("find"),
        }
    }

    async fn create(&self, key: &str, value: &[u8]) -> Result<(), Failure> {
        let expired =
            doc! { "_id": bytes(key.as_bytes()), "expires_at": { "$lte": DateTime::now() } };
        let new = RawDocumentBuf::try_from(&document(key, value))?;
        self.0.replace_one(expired, new).upsert(true).await?;
        Ok(())
    }

    async fn replace(&self, key: &str, old: i64, value: &[u8]) -> Result<(), Failure> {
        let unchanged = doc! { "$eq": ["$version", old] };
        let new = doc! { "$literal": document(key, value) };
        let chosen = doc! { "$cond": [unchanged, new, "$$ROOT"] };
        let pipeline = vec![doc! { "$replaceWith": chosen }];
        match self
            .0
            .update_one(living(key), pipeline)
            .await?
            .modified_count
        {
            1 => Ok(()),
            _ => wrong("update"),
        }
    }

    async fn touch(&self, key: &str) -> Result<(), Failure> {
        let change = doc! { "$set": { "expires_at": time(ENDS + next() % 1000) } };
        match self.0.update_one(living(key), change).await?.matched_count {
            1 => Ok(()),
            _ => wrong("update"),
        }
    }

    async fn delete(&self, key: &str, old: i64) -> Result<(), Failure> {
        let mut unchanged = living(key);
        unchanged.insert("version", old);
        match self.0.delete_one(unchanged).await?.deleted_count {
            1 => Ok(()),
            _ => wrong("delete"),
        }
    }
}
