//! Sine, cosine, logarithm and powers from correctly rounded operations alone.
//!
//! `sin`, `cos`, `ln`, `exp` and `powf` of the standard library are the platform's, and differ in
//! their last bits between machines. IEEE 754 rounds + − × ÷ exactly and Rust never fuses them, so
//! series of a fixed length give the same bits everywhere. Each is within 1e-12 of the truth.

const LN_2: f64 = std::f64::consts::LN_2;

/// Sine and cosine of an angle in degrees, exact at multiples of 90.
pub(super) fn sin_cos_degrees(degrees: f64) -> (f64, f64) {
    // The remainder of floats is exact.
    let turn = degrees % 360.0;
    let turn = if turn < 0.0 { turn + 360.0 } else { turn };
    let quarter = (turn / 90.0) as u32 % 4;
    let rest = turn - 90.0 * f64::from(quarter);
    // Below 45° the series converge fast; above, sine and cosine change places.
    let (sin, cos) = if rest <= 45.0 {
        series(rest)
    } else {
        let (sin, cos) = series(90.0 - rest);
        (cos, sin)
    };
    match quarter {
        0 => (sin, cos),
        1 => (cos, -sin),
        2 => (-sin, -cos),
        _ => (-cos, sin),
    }
}

/// Taylor's series for 0 to 45°: 12 terms leave less than (π/4)²⁴/24! ≈ 5e-27.
fn series(degrees: f64) -> (f64, f64) {
    let x = degrees * std::f64::consts::PI / 180.0;
    let (mut sin, mut cos) = (0.0, 0.0);
    let mut term = 1.0;
    for step in 0..12_u32 {
        cos += term;
        term = term * x / f64::from(2 * step + 1);
        sin += term;
        term = -term * x / f64::from(2 * step + 2);
    }
    (sin, cos)
}

/// The natural logarithm of a positive number: 2 artanh((m − 1)/(m + 1)) + e ln 2 with x = m · 2ᵉ.
pub(super) fn ln(x: f64) -> f64 {
    let (mut mantissa, mut exponent) = (x, 0.0);
    // Halving and doubling are exact.
    while mantissa > 1.5 {
        mantissa /= 2.0;
        exponent += 1.0;
    }
    while mantissa < 0.75 {
        mantissa *= 2.0;
        exponent -= 1.0;
    }
    let ratio = (mantissa - 1.0) / (mantissa + 1.0);
    let square = ratio * ratio;
    // |ratio| ≤ 0.2: 14 terms leave less than 0.2²⁹.
    let mut sum = 0.0;
    let mut power = ratio;
    for step in 0..14_u32 {
        sum += power / f64::from(2 * step + 1);
        power *= square;
    }
    2.0 * sum + exponent * LN_2
}

/// eˣ for −700 to 700: Taylor's series of x/1024, squared ten times; below that, 0.
pub(super) fn exp(x: f64) -> f64 {
    if x < -700.0 {
        return 0.0;
    }
    let small = x / 1024.0;
    let (mut sum, mut term) = (0.0, 1.0);
    // |small| < 0.7: 16 terms leave less than 0.7¹⁶/16!.
    for step in 1..=16_u32 {
        sum += term;
        term = term * small / f64::from(step);
    }
    for _ in 0..10 {
        sum *= sum;
    }
    sum
}

/// xʸ for x ≥ 0 and y > 0.
pub(super) fn pow(x: f64, y: f64) -> f64 {
    if x <= 0.0 { 0.0 } else { exp(y * ln(x)) }
}

/// Nearest whole number, halves upwards; exact for what a pixel can be.
pub(super) fn round(x: f64) -> i64 {
    (x + 0.5).floor() as i64
}

#[cfg(test)]
mod tests {
    #![allow(clippy::float_cmp, reason = "the same bits are what is tested")]
    use super::*;

    fn near(ours: f64, theirs: f64, at: f64) {
        let off = (ours - theirs).abs() / theirs.abs().max(1.0);
        assert!(off < 1e-11, "{ours} instead of {theirs} at {at}");
    }

    #[test]
    fn all_agree_with_the_platform() {
        for step in -3_700..=3_700 {
            let degrees = f64::from(step) * 0.13;
            let (sin, cos) = sin_cos_degrees(degrees);
            near(sin, degrees.to_radians().sin(), degrees);
            near(cos, degrees.to_radians().cos(), degrees);
        }
        for step in 1..5_000 {
            let x = f64::from(step) * 0.003;
            near(ln(x), x.ln(), x);
            near(exp(-x), (-x).exp(), x);
            near(exp(x / 2.0), (x / 2.0).exp(), x);
            near(pow(x / 15.0, 1.0 / 2.2), (x / 15.0).powf(1.0 / 2.2), x);
        }
    }

    #[test]
    fn quarters_are_exact() {
        let quarters = [(0.0, 1.0), (1.0, 0.0), (0.0, -1.0), (-1.0, 0.0)];
        for (turn, (sin, cos)) in (-8_i32..8).zip(quarters.into_iter().cycle()) {
            let (s, c) = sin_cos_degrees(f64::from(turn) * 90.0);
            assert_eq!((s + 0.0, c + 0.0), (sin, cos), "{turn} quarters");
        }
        assert_eq!(pow(0.0, 2.0), 0.0);
        assert_eq!((round(2.5), round(-2.5), round(1.49)), (3, -2, 1));
    }

    /// The same bits on every machine, written down once.
    #[test]
    fn bits_are_pinned() {
        let (sin, cos) = sin_cos_degrees(33.3);
        let bits = [sin, cos, ln(0.3), exp(-1.7), pow(0.4, 1.0 / 2.2)].map(f64::to_bits);
        assert_eq!(bits, PINNED);
    }
    const PINNED: [u64; 5] = [
        4_603_120_377_462_384_987,
        4_605_703_502_987_699_734,
        13_831_473_067_500_349_216,
        4_595_749_887_897_339_524,
        4_604_114_146_012_104_363,
    ];
}
