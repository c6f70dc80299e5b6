//! The key of the slots' hash: random, the same in every worker, and written down nowhere.

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
