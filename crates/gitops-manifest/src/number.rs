use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use serde::{Serialize, Serializer};

/// A number of a manifest: exact for every 64-bit integer, a double otherwise.
///
/// Kubernetes knows only integers and doubles, and Go writes a whole double without a fraction. A number
/// is therefore brought into one form when it is made: a double whose digits in Go's JSON are those of a 64-bit
/// integer becomes that integer (`1.0` and `1` are one number), an integer beyond `i64` is kept as `u64`.
/// It is never infinite or NaN.
#[derive(Clone, Copy, Debug)]
pub struct Number(N);

#[derive(Clone, Copy, Debug)]
enum N {
    Int(i64),
    /// Always greater than `i64::MAX`.
    UInt(u64),
    /// Finite, and not written as an integer of 64 bits.
    Float(f64),
}

impl Number {
    /// Makes a number from a double; `None` for infinities and NaN, which no manifest can hold.
    #[must_use]
    pub fn from_f64(value: f64) -> Option<Self> {
        if !value.is_finite() {
            return None;
        }
        if value.fract() == 0.0 {
            // Up to here every integer is a double.
            if value.abs() <= 9_007_199_254_740_992.0 {
                return Some(Self(N::Int(value as i64)));
            }
            // Beyond, the digits that Go prints are the shortest ones, filled up with zeros. They are what the
            // next reader takes for the integer.
            if value.abs() < 1e21 {
                let digits = value.to_string();
                if let Ok(int) = digits.parse() {
                    return Some(Self(N::Int(int)));
                }
                if let Ok(uint) = digits.parse() {
                    return Some(Self(N::UInt(uint)));
                }
            }
        }
        Some(Self(N::Float(value)))
    }

    /// Reads a JSON number. Integers beyond 64 bits become doubles, as they do in Go.
    ///
    /// Returns `None` where the text is not a number or too large for a double.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(int) = text.parse::<i64>() {
            return Some(Self(N::Int(int)));
        }
        if let Ok(uint) = text.parse::<u64>() {
            return Some(Self::from(uint));
        }
        Self::from_f64(text.parse::<f64>().ok()?)
    }

    /// Returns the value where it is an integer within `i64`.
    #[must_use]
    pub const fn as_i64(&self) -> Option<i64> {
        match self.0 {
            N::Int(i) => Some(i),
            _ => None,
        }
    }

    /// Returns the value where it is an integer within `u64`.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        match self.0 {
            N::Int(i) => u64::try_from(i).ok(),
            N::UInt(u) => Some(u),
            N::Float(_) => None,
        }
    }

    /// Returns the nearest double.
    #[must_use]
    pub const fn as_f64(&self) -> f64 {
        match self.0 {
            N::Int(i) => i as f64,
            N::UInt(u) => u as f64,
            N::Float(f) => f,
        }
    }

    /// Whether this is held as an integer.
    #[must_use]
    pub const fn is_integer(&self) -> bool {
        !matches!(self.0, N::Float(_))
    }
}

impl From<i64> for Number {
    fn from(value: i64) -> Self {
        Self(N::Int(value))
    }
}

impl From<i32> for Number {
    fn from(value: i32) -> Self {
        Self(N::Int(i64::from(value)))
    }
}

impl From<u32> for Number {
    fn from(value: u32) -> Self {
        Self(N::Int(i64::from(value)))
    }
}

impl From<u64> for Number {
    fn from(value: u64) -> Self {
        i64::try_from(value).map_or(Self(N::UInt(value)), |int| Self(N::Int(int)))
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Number {}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Orders by value; exact between integers. An integer and a double compare as integers where the double
/// is within range, which the canonical form makes a comparison of values that differ.
impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.0, other.0) {
            (N::Int(a), N::Int(b)) => a.cmp(&b),
            (N::UInt(a), N::UInt(b)) => a.cmp(&b),
            (N::Int(_), N::UInt(_)) => Ordering::Less,
            (N::UInt(_), N::Int(_)) => Ordering::Greater,
            (N::Float(a), N::Float(b)) => a.total_cmp(&b),
            (N::Float(f), N::Int(i)) => float_to_int(f, i128::from(i)),
            (N::Float(f), N::UInt(u)) => float_to_int(f, i128::from(u)),
            (N::Int(i), N::Float(f)) => float_to_int(f, i128::from(i)).reverse(),
            (N::UInt(u), N::Float(f)) => float_to_int(f, i128::from(u)).reverse(),
        }
    }
}

/// Compares a finite double with an integer, exactly: first the whole part, then the fraction. A double
/// equal to an integer (possible only beyond `i64`) sorts after it, so that the order stays total over the
/// two representations.
fn float_to_int(float: f64, int: i128) -> Ordering {
    // A cast saturates, which keeps the order for doubles beyond i128.
    let whole = float.floor() as i128;
    whole.cmp(&int).then(Ordering::Greater)
}

impl Hash for Number {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self.0 {
            N::Int(i) => i.hash(state),
            N::UInt(u) => u.hash(state),
            N::Float(f) => f.to_bits().hash(state),
        }
    }
}

/// Writes the number as Go's `encoding/json` does: the shortest digits that read back, an exponent below
/// `1e-6` and from `1e21` on (`1e+21`, `1e-7`).
impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            N::Int(i) => f.write_str(itoa::Buffer::new().format(i)),
            N::UInt(u) => f.write_str(itoa::Buffer::new().format(u)),
            N::Float(v) => {
                let abs = v.abs();
                if abs != 0.0 && !(1e-6..1e21).contains(&abs) {
                    let text = format!("{v:e}");
                    match text.split_once('e') {
                        Some((mantissa, exponent)) if !exponent.starts_with('-') => {
                            write!(f, "{mantissa}e+{exponent}")
                        }
                        _ => f.write_str(&text),
                    }
                } else {
                    write!(f, "{v}")
                }
            }
        }
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            N::Int(i) => serializer.serialize_i64(i),
            N::UInt(u) => serializer.serialize_u64(u),
            N::Float(f) => serializer.serialize_f64(f),
        }
    }
}
