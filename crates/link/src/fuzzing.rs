//! What the fuzzer sees of the inside. Not meant for anybody else.

/// Datagrams that a peer claims to be coded: the first byte of each tells its length. Whatever comes, it takes neither
/// for ever nor ever more memory.
pub fn coded(bytes: &[u8]) {
    crate::quic::fuzz_coded(bytes);
}
