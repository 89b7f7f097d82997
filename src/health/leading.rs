//! The first of many in an order, in memory that is bounded by how many are wanted. Pure.

use std::cmp::Ordering;

/// Keeps the first `most` of all that is pushed; of equals, those that came first.
#[derive(Debug)]
pub struct Leading<T> {
    most: usize,
    order: fn(&T, &T) -> Ordering,
    kept: Vec<T>,
}

impl<T> Leading<T> {
    /// The first `most` in this order.
    pub const fn new(most: usize, order: fn(&T, &T) -> Ordering) -> Self {
        Self {
            most,
            order,
            kept: Vec::new(),
        }
    }

    /// One more.
    pub fn push(&mut self, one: T) {
        self.kept.push(one);
        // Sorted only when as many came as are kept, which costs each a logarithm.
        if self.kept.len() > self.most.saturating_mul(2) {
            self.cut();
        }
    }

    /// Those that lead, in order.
    pub fn into_vec(mut self) -> Vec<T> {
        self.cut();
        self.kept
    }

    fn cut(&mut self) {
        self.kept.sort_by(self.order);
        self.kept.truncate(self.most);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn they_are_those_that_a_sort_puts_first(
            all in proptest::collection::vec(0_u8..9, 0..60),
            most in 0_usize..7,
        ) {
            let order = |one: &(u8, usize), other: &(u8, usize)| other.0.cmp(&one.0);
            let numbered: Vec<_> = all.into_iter().zip(0..).collect();
            let mut leading = Leading::new(most, order);
            for one in &numbered {
                leading.push(*one);
                prop_assert!(leading.kept.len() <= 2 * most + 1);
            }
            let mut sorted = numbered;
            sorted.sort_by(order);
            sorted.truncate(most);
            prop_assert_eq!(leading.into_vec(), sorted);
        }
    }
}
