use std::fmt;

use cloakroom_store::StoreError;

use crate::failure;

/// A name that may stand in SQL: letters, digits and underscores of ASCII, no digit first.
#[derive(Clone, Debug)]
pub(crate) struct Name(String);

impl Name {
    /// PostgreSQL's 63 bytes, less what the names of the indexes add.
    const MAX_LEN: usize = 48;

    pub(crate) fn new(what: &'static str, text: &str) -> Result<Self, StoreError> {
        let begins_well =
            text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
        let all_well = text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if begins_well && all_well && text.len() <= Self::MAX_LEN {
            Ok(Self(text.to_owned()))
        } else {
            Err(failure::bad_name(what, Self::MAX_LEN))
        }
    }
}

/// The table and, if it was named, the schema it is in.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub(crate) schema: Option<Name>,
    pub(crate) name: Name,
}

impl Table {
    /// The table, quoted and in its schema.
    pub(crate) fn full(&self, quote: char) -> String {
        self.in_schema(quote, "")
    }

    /// The quoted name of an index or similar of the table, in its schema.
    pub(crate) fn in_schema(&self, quote: char, suffix: &str) -> String {
        let schema = self.schema_name(quote);
        let dot = if schema.is_empty() { "" } else { "." };
        format!("{schema}{dot}{}", self.named(quote, suffix))
    }

    /// The quoted name of an index or similar of the table.
    pub(crate) fn named(&self, quote: char, suffix: &str) -> String {
        format!("{quote}{}{suffix}{quote}", self.name.0)
    }

    /// The name of the channel on which removed records are announced.
    #[cfg(feature = "postgres")]
    pub(crate) fn channel(&self) -> String {
        // PostgreSQL's longest name.
        const LONGEST: usize = 63;
        let channel = format!("{}_ended", self.name);
        let schema = self.schema.iter();
        let in_schema = schema.map(|schema| format!("{schema}.{channel}"));
        let mut fitting = in_schema.filter(|name| name.len() <= LONGEST);
        fitting.next().unwrap_or(channel)
    }

    /// The schema, quoted; empty if it was not named.
    pub(crate) fn schema_name(&self, quote: char) -> String {
        match &self.schema {
            Some(schema) => format!("{quote}{}{quote}", schema.0),
            None => String::new(),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The address in the brackets that an IPv6 address has in a URL; nothing if there are none.
#[cfg(any(feature = "mysql", feature = "postgres"))]
pub(crate) fn unbracketed(host: &str) -> Option<&str> {
    host.strip_prefix('[')?.strip_suffix(']')
}

#[cfg(all(test, feature = "postgres"))]
mod tests {
    use super::{Name, Table};

    #[test]
    fn the_channel_has_the_name_of_the_table_and_of_its_schema_where_they_fit() {
        let longest = "x".repeat(Name::MAX_LEN);
        for (schema, table, channel) in [
            (None, "sessions", "sessions_ended".to_owned()),
            (Some("web"), "sessions", "web.sessions_ended".to_owned()),
            (Some("web"), &longest, format!("web.{longest}_ended")),
            (Some(&*longest), &longest, format!("{longest}_ended")),
        ] {
            let table = Table {
                schema: schema.map(|name| Name::new("schema", name).unwrap()),
                name: Name::new("table", table).unwrap(),
            };
            assert_eq!(table.channel(), channel);
            assert!(channel.len() <= 63);
        }
    }
}
