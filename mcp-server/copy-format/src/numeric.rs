//! Decimals as PostgreSQL's `numeric` in binary: digits to the base of 10 000.

const NEGATIVE: u16 = 0x4000;

/// Appends the field of a decimal: its length, then its digits. `scale` digits of `unscaled` stand
/// after the point.
pub(super) fn write(unscaled: i128, scale: u32, out: &mut Vec<u8>) {
    let power = |digits: u32| 10_u128.pow(digits);
    let value = unscaled.unsigned_abs();
    let (mut whole, mut fraction) = (value / power(scale), value % power(scale));
    // A decimal of 38 digits has ten groups before the point and ten after it at most.
    let mut groups = [0_u16; 20];
    let mut count = 0;
    while whole > 0 {
        groups[count] = group(whole % 10_000);
        whole /= 10_000;
        count += 1;
    }
    groups[..count].reverse();
    let mut weight = i16::try_from(count).unwrap_or_default() - 1;
    let mut left = scale;
    while fraction > 0 {
        let digits = left.min(4);
        left -= digits;
        let next = group(fraction / power(left) * power(4 - digits));
        fraction %= power(left);
        if next == 0 && count == 0 {
            weight -= 1;
            continue;
        }
        groups[count] = next;
        count += 1;
    }
    while count > 0 && groups[count - 1] == 0 {
        count -= 1;
    }
    if count == 0 {
        weight = 0;
    }
    let length = i32::try_from(8 + 2 * count).unwrap_or_default();
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&u16::try_from(count).unwrap_or_default().to_be_bytes());
    out.extend_from_slice(&weight.to_be_bytes());
    let sign = if unscaled < 0 { NEGATIVE } else { 0 };
    out.extend_from_slice(&sign.to_be_bytes());
    out.extend_from_slice(&u16::try_from(scale).unwrap_or_default().to_be_bytes());
    for group in &groups[..count] {
        out.extend_from_slice(&group.to_be_bytes());
    }
}

fn group(digits: u128) -> u16 {
    u16::try_from(digits).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(unscaled: i128, scale: u32) -> Vec<i16> {
        let mut out = Vec::new();
        write(unscaled, scale, &mut out);
        let length = i32::from_be_bytes(out[..4].try_into().expect("four"));
        assert_eq!(usize::try_from(length).expect("short"), out.len() - 4);
        let words = out[4..].chunks(2);
        words
            .map(|word| i16::from_be_bytes([word[0], word[1]]))
            .collect()
    }

    #[test]
    fn it_writes_count_weight_sign_scale_and_groups() {
        for (unscaled, scale, expected) in [
            (0, 2, &[0, 0, 0, 2][..]),
            (1, 0, &[1, 0, 0, 0, 1]),
            (12_345, 2, &[2, 0, 0, 2, 123, 4500]),
            (-5, 2, &[1, -1, 0x4000, 2, 500]),
            (1, 5, &[1, -2, 0, 5, 1000]),
            (10_000, 0, &[1, 1, 0, 0, 1]),
        ] {
            let words = words(unscaled, scale);
            assert_eq!(words, expected, "{unscaled}");
        }
        assert_eq!(words(100_000_001, 4), [3, 1, 0, 4, 1, 0, 1]);
        let most = 10_i128.pow(38) - 1;
        assert_eq!(words(most, 38)[..5], [10, -1, 0, 38, 9999]);
        assert_eq!(words(most, 0).len(), 14);
        assert_eq!(words(most, 37)[..5], [11, 0, 0, 37, 9]);
    }
}
