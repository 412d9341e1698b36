//! Decimal arithmetic as `shopspring/decimal` does it.

use num_bigint::BigInt;

use crate::error::{Error, Result};

/// How many digits a quotient has after the point.
const DIVISION_PRECISION: i64 = 16;

/// How many digits a number may have; a chain of products would grow without end.
const MAX_DIGITS: u64 = 100_000;

/// A number `value × 10^exponent`.
pub(super) struct Decimal {
    value: BigInt,
    exponent: i64,
}

#[derive(Clone, Copy)]
pub(super) enum Operation {
    Add,
    Subtract,
    Multiply,
    Divide,
}

impl Decimal {
    /// Takes the fewest digits that tell the float from its neighbours.
    pub(super) fn from_float(float: f64) -> Result<Self> {
        if !float.is_finite() {
            let shown = crate::format::float::format_float(float, 'g', None);
            return Err(Error::new(format!("Cannot create a Decimal from {shown}")));
        }
        if float == 0.0 {
            return Ok(Self {
                value: BigInt::ZERO,
                exponent: 0,
            });
        }
        let text = format!("{float:e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let value: BigInt = format!("{whole}{fraction}").parse().unwrap_or_default();
        let exponent = exponent.parse::<i64>().unwrap_or(0) - fraction.len() as i64;
        Ok(Self { value, exponent })
    }

    pub(super) fn apply(self, operation: Operation, other: &Self) -> Result<Self> {
        let result = match operation {
            Operation::Add => self.add(other, false),
            Operation::Subtract => self.add(other, true),
            Operation::Multiply => Self {
                value: self.value * &other.value,
                exponent: self.exponent + other.exponent,
            },
            Operation::Divide => self.divide(other)?,
        };
        if result.value.bits() > MAX_DIGITS * 4 {
            return Err(Error::limit("the number of digits", MAX_DIGITS));
        }
        Ok(result)
    }

    /// Returns both values at the smaller of the two exponents.
    fn align(&self, other: &Self) -> (BigInt, BigInt, i64) {
        let exponent = self.exponent.min(other.exponent);
        (self.scaled(exponent), other.scaled(exponent), exponent)
    }

    fn scaled(&self, exponent: i64) -> BigInt {
        &self.value * power(self.exponent - exponent)
    }

    fn add(&self, other: &Self, negate: bool) -> Self {
        let (a, b, exponent) = self.align(other);
        Self {
            value: if negate { a - b } else { a + b },
            exponent,
        }
    }

    fn divide(&self, other: &Self) -> Result<Self> {
        if other.value == BigInt::ZERO {
            return Err(Error::new("decimal division by 0"));
        }
        let shift = self.exponent - other.exponent + DIVISION_PRECISION;
        let (a, b) = if shift < 0 {
            (self.value.clone(), &other.value * power(-shift))
        } else {
            (&self.value * power(shift), other.value.clone())
        };
        let quotient = &a / &b;
        let rest = &a - &quotient * &b;
        // Half and more of the divisor rounds away from zero.
        let doubled = BigInt::from(rest.magnitude().clone()) * 2;
        let value = if doubled < BigInt::from(b.magnitude().clone()) {
            quotient
        } else if (a < BigInt::ZERO) == (b < BigInt::ZERO) {
            quotient + 1
        } else {
            quotient - 1
        };
        Ok(Self {
            value,
            exponent: -DIVISION_PRECISION,
        })
    }

    /// Returns the nearest float.
    pub(super) fn to_float(&self) -> f64 {
        if self.value == BigInt::ZERO {
            return 0.0;
        }
        format!("{}e{}", self.value, self.exponent)
            .parse()
            .unwrap_or(f64::NAN)
    }
}

fn power(exponent: i64) -> BigInt {
    BigInt::from(10).pow(u32::try_from(exponent).unwrap_or(0))
}
