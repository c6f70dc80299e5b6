//! The key of the hash that places rate limits: random, the same in every worker, and written down
//! nowhere.

use policy_engine::slots::HashKey;

use crate::SharedData;

/// Where the workers agree on the key. Shared data can be read by this module's VMs only.
const NAME: &str = "portcullis.limits.key";

/// The host gives no random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoRandomness;

/// The process's key: the first worker that asks makes it, the others find it.
///
/// # Errors
/// `random` gives nothing, or another worker's key cannot be read.
pub fn shared_hash_key(
    data: &impl SharedData,
    random: impl FnOnce(&mut [u8; 16]) -> Result<(), NoRandomness>,
) -> Result<HashKey, NoRandomness> {
    let stored = data.read(NAME);
    if let Ok(key) = <[u8; 16]>::try_from(stored.bytes.as_slice()) {
        return Ok(HashKey(key));
    }
    let mut key = [0; 16];
    random(&mut key)?;
    if data.compare_and_set(NAME, &key, stored.version).is_ok() {
        return Ok(HashKey(key));
    }
    let first = data.read(NAME).bytes;
    <[u8; 16]>::try_from(first.as_slice())
        .map(HashKey)
        .map_err(|_| NoRandomness)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::fake::FakeProcess;
    use crate::{Conflict, SharedValue, Version};

    type Random = Result<(), NoRandomness>;

    fn random(byte: u8) -> impl FnOnce(&mut [u8; 16]) -> Random {
        move |key| {
            key.fill(byte);
            Ok(())
        }
    }

    fn none(_: &mut [u8; 16]) -> Random {
        Err(NoRandomness)
    }

    /// Shared data in which another worker stores its key just before ours.
    struct Raced(FakeProcess, Cell<bool>);

    impl SharedData for Raced {
        fn read(&self, key: &str) -> SharedValue {
            SharedData::read(&self.0, key)
        }

        fn compare_and_set(&self, key: &str, bytes: &[u8], at: Version) -> Result<(), Conflict> {
            if !self.1.replace(true) {
                assert_eq!(shared_hash_key(&self.0, random(3)).unwrap().0, [3; 16]);
            }
            self.0.compare_and_set(key, bytes, at)
        }
    }

    #[test]
    fn it_agrees_on_one_key_in_all_workers() {
        let data = FakeProcess::new();
        assert_eq!(shared_hash_key(&data, none).err(), Some(NoRandomness));
        assert_eq!(shared_hash_key(&data, random(1)).unwrap().0, [1; 16]);
        assert_eq!(shared_hash_key(&data, random(2)).unwrap().0, [1; 16]);
        assert_eq!(shared_hash_key(&data, none).unwrap().0, [1; 16]);
    }

    #[test]
    fn it_takes_the_key_of_the_worker_that_was_faster() {
        let data = Raced(FakeProcess::new(), Cell::new(false));
        assert_eq!(shared_hash_key(&data, random(4)).unwrap().0, [3; 16]);
    }
}
