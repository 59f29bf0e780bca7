//! What the processor that this runs on has beyond what the program was compiled for.

/// Whether eight numbers can be worked on at once, and shifts take any register. No fused operations, which would round otherwise:
/// samples are the same on every processor.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(crate) fn has_avx2() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("bmi1") && is_x86_feature_detected!("bmi2")
}

#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn has_avx2() -> bool {
    false
}
