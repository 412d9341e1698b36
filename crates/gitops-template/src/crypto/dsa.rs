//! DSA keys, which sprig can still make.

use num_bigint::{BigInt, BigUint, Sign};

use super::der::{self, Reader};
use crate::random::Random;

const P_BITS: u64 = 2048;
const Q_BITS: u64 = 256;

/// How often a number is tested for being prime, as Go does it here.
const ROUNDS: usize = 64;

pub(crate) struct DsaKey {
    p: BigUint,
    q: BigUint,
    g: BigUint,
    y: BigUint,
    x: BigUint,
}

/// Returns a random number of at most `bits` bits.
fn number(random: &mut Random, bits: u64) -> BigUint {
    let mut bytes = vec![0; bits.div_ceil(8) as usize];
    random.fill(&mut bytes);
    BigUint::from_bytes_be(&bytes)
}

/// The primes below 1000, to sort most numbers out before the costly test.
fn small_primes() -> Vec<u32> {
    (2..1000_u32)
        .filter(|n| (2..*n).take_while(|d| d * d <= *n).all(|d| n % d != 0))
        .collect()
}

/// The test of Miller and Rabin.
fn is_prime(random: &mut Random, n: &BigUint, rounds: usize) -> bool {
    let one = BigUint::from(1_u8);
    let last = n - &one;
    let twos = last.trailing_zeros().unwrap_or(0);
    let odd = &last >> twos;
    (0..rounds).all(|_| {
        let base = number(random, n.bits()) % (n - BigUint::from(3_u8)) + BigUint::from(2_u8);
        let mut power = base.modpow(&odd, n);
        if power == one || power == last {
            return true;
        }
        (1..twos).any(|_| {
            power = &power * &power % n;
            power == last
        })
    })
}

impl DsaKey {
    /// Makes parameters of 2048 and 256 bits, and a key.
    pub(super) fn generate(random: &mut Random) -> Self {
        let primes = small_primes();
        let has_factor = |n: &BigUint| primes.iter().any(|prime| (n % *prime) == BigUint::ZERO);
        let one = BigUint::from(1_u8);
        loop {
            let mut q = number(random, Q_BITS);
            q.set_bit(0, true);
            q.set_bit(Q_BITS - 1, true);
            if has_factor(&q) || !is_prime(random, &q, ROUNDS) {
                continue;
            }
            for _ in 0..4 * P_BITS {
                let mut p = number(random, P_BITS);
                p.set_bit(0, true);
                p.set_bit(P_BITS - 1, true);
                let rest = &p % &q;
                p = p - rest + &one;
                if p.bits() < P_BITS || has_factor(&p) || !is_prime(random, &p, 1) {
                    continue;
                }
                if !is_prime(random, &p, ROUNDS) {
                    continue;
                }
                let exponent = (&p - &one) / &q;
                let g = (2_u32..)
                    .map(|h| BigUint::from(h).modpow(&exponent, &p))
                    .find(|g| *g != one)
                    .unwrap_or_else(|| one.clone());
                let x = number(random, Q_BITS) % (&q - &one) + &one;
                let y = g.modpow(&x, &p);
                return Self { p, q, g, y, x };
            }
        }
    }

    pub(super) fn to_der(&self) -> Vec<u8> {
        let number = |number: &BigUint| der::integer(&number.to_bytes_be());
        der::sequence(&[
            &der::integer(&[0]),
            &number(&self.p),
            &number(&self.q),
            &number(&self.g),
            &number(&self.y),
            &number(&self.x),
        ])
    }

    pub(super) fn from_der(data: &[u8]) -> Option<Self> {
        let mut reader = Reader(Reader(data).expect(der::SEQUENCE)?);
        reader.integer()?;
        let mut number = || {
            Some(
                BigInt::from_bytes_be(Sign::Plus, reader.integer()?)
                    .magnitude()
                    .clone(),
            )
        };
        Some(Self {
            p: number()?,
            q: number()?,
            g: number()?,
            y: number()?,
            x: number()?,
        })
    }
}
