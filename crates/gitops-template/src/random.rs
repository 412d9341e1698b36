//! Random numbers that can be repeated.

/// A stream of random numbers that starts from a seed.
///
/// It is ChaCha20 under a key that is made from the seed, so what it gives tells nothing about
/// what it will give to anyone who does not know the seed. It is as unpredictable as the seed is: a
/// host that renders real secrets takes the seed from the system's random numbers.
#[derive(Clone)]
pub struct Random {
    key: [u32; 8],
    counter: u64,
    block: [u8; 64],
    used: usize,
}

impl Random {
    /// Starts a stream.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        // SplitMix64 spreads the seed over the key.
        let mut state = seed;
        let mut key = [0; 8];
        for word in key.chunks_exact_mut(2) {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^= z >> 31;
            word[0] = z as u32;
            word[1] = (z >> 32) as u32;
        }
        Self {
            key,
            counter: 0,
            block: [0; 64],
            used: 64,
        }
    }

    /// Fills a buffer.
    pub fn fill(&mut self, buffer: &mut [u8]) {
        for byte in buffer {
            if self.used == self.block.len() {
                self.refill();
            }
            *byte = self.block[self.used];
            self.used += 1;
        }
    }

    /// Returns a number of 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// Returns a number less than `end`, which must not be zero, each equally likely.
    pub fn below(&mut self, end: u64) -> u64 {
        // Numbers in the last, incomplete run of `end` would make some results likelier.
        let limit = u64::MAX - u64::MAX % end;
        loop {
            let number = self.next_u64();
            if number < limit {
                return number % end;
            }
        }
    }

    fn refill(&mut self) {
        let mut input = [0_u32; 16];
        input[..4].copy_from_slice(&[0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574]);
        input[4..12].copy_from_slice(&self.key);
        input[12] = self.counter as u32;
        input[13] = (self.counter >> 32) as u32;
        let mut state = input;
        for _ in 0..10 {
            quarter(&mut state, 0, 4, 8, 12);
            quarter(&mut state, 1, 5, 9, 13);
            quarter(&mut state, 2, 6, 10, 14);
            quarter(&mut state, 3, 7, 11, 15);
            quarter(&mut state, 0, 5, 10, 15);
            quarter(&mut state, 1, 6, 11, 12);
            quarter(&mut state, 2, 7, 8, 13);
            quarter(&mut state, 3, 4, 9, 14);
        }
        for ((bytes, word), start) in self.block.chunks_exact_mut(4).zip(state).zip(input) {
            bytes.copy_from_slice(&word.wrapping_add(start).to_le_bytes());
        }
        self.counter = self.counter.wrapping_add(1);
        self.used = 0;
    }
}

fn quarter(state: &mut [u32; 16], a: usize, b: usize, c: usize, d: usize) {
    for (x, y, z, bits) in [(a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)] {
        state[x] = state[x].wrapping_add(state[y]);
        state[z] = (state[z] ^ state[x]).rotate_left(bits);
    }
}

impl std::fmt::Debug for Random {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The key would tell all numbers to come.
        f.debug_struct("Random").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_block_function_is_chacha20() {
        // RFC 8439, appendix A.1, test vector 1: the key, the nonce and the counter are zero.
        let mut random = Random {
            key: [0; 8],
            counter: 0,
            block: [0; 64],
            used: 64,
        };
        let mut bytes = [0; 8];
        random.fill(&mut bytes);
        assert_eq!(bytes, [0x76, 0xb8, 0xe0, 0xad, 0xa0, 0xf1, 0x3d, 0x90]);
    }

    #[test]
    fn seeds_repeat_and_differ() {
        assert_eq!(Random::new(1).next_u64(), Random::new(1).next_u64());
        assert_ne!(Random::new(1).next_u64(), Random::new(2).next_u64());
        let mut random = Random::new(3);
        assert!((0..1000).all(|_| random.below(7) < 7));
    }
}
