// A minimal correct store, for the examples of the documentation.

/// Records in a map behind a lock, on the suite's clock.
#[allow(missing_debug_implementations, reason = "the examples do not show it")]
pub struct MapStore {
    records: std::sync::Mutex<std::collections::BTreeMap<cloakroom_store::Key, cloakroom_store::Stored>>,
    clock: cloakroom_conformance::FakeClock,
}

impl MapStore {
    /// No records, on this clock.
    pub fn new(clock: cloakroom_conformance::FakeClock) -> Self {
        Self {
            records: std::sync::Mutex::default(),
            clock,
        }
    }

    fn living<T>(
        &self,
        act: impl FnOnce(&mut std::collections::BTreeMap<cloakroom_store::Key, cloakroom_store::Stored>) -> T,
    ) -> Result<T, cloakroom_store::StoreError> {
        let mut records = self.records.lock().unwrap();
        records.retain(|_, record| record.expires_at > self.clock.now());
        Ok(act(&mut records))
    }
}

impl cloakroom_store::Store for MapStore {
    async fn load(
        &self,
        key: &cloakroom_store::Key,
    ) -> Result<Option<cloakroom_store::Stored>, cloakroom_store::StoreError> {
        self.living(|records| records.get(key).cloned())
    }

    async fn create(
        &self,
        key: &cloakroom_store::Key,
        write: &cloakroom_store::Write,
    ) -> Result<cloakroom_store::Created, cloakroom_store::StoreError> {
        let new = cloakroom_store::Stored::new(write.bytes.clone(), write.expires_at, 0);
        self.living(|records| {
            if records.contains_key(key) {
                return cloakroom_store::Created::Taken;
            }
            records.insert(key.clone(), new);
            cloakroom_store::Created::Stored
        })
    }

    async fn replace(
        &self,
        key: &cloakroom_store::Key,
        old: &cloakroom_store::Stored,
        write: &cloakroom_store::Write,
    ) -> Result<cloakroom_store::Replaced, cloakroom_store::StoreError> {
        let new = cloakroom_store::Stored::new(write.bytes.clone(), write.expires_at, 0);
        self.living(|records| match records.get_mut(key) {
            None => cloakroom_store::Replaced::Gone,
            Some(record) if record.bytes != old.bytes => cloakroom_store::Replaced::Changed,
            Some(record) => {
                *record = new;
                cloakroom_store::Replaced::Stored
            }
        })
    }

    async fn touch(
        &self,
        key: &cloakroom_store::Key,
        expires_at: cloakroom_store::UnixTime,
    ) -> Result<cloakroom_store::Touched, cloakroom_store::StoreError> {
        self.living(|records| match records.get_mut(key) {
            None => cloakroom_store::Touched::Gone,
            Some(record) => {
                record.expires_at = expires_at;
                cloakroom_store::Touched::Extended
            }
        })
    }

    async fn delete(
        &self,
        key: &cloakroom_store::Key,
        old: &cloakroom_store::Stored,
    ) -> Result<cloakroom_store::Deleted, cloakroom_store::StoreError> {
        self.living(|records| match records.get(key) {
            None => cloakroom_store::Deleted::Gone,
            Some(record) if record.bytes != old.bytes => cloakroom_store::Deleted::Changed,
            Some(_) => {
                records.remove(key);
                cloakroom_store::Deleted::Deleted
            }
        })
    }
}
