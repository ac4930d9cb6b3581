//! A list that its copies share until one of them is changed: a server's models stand in its health, in what
//! routing looks at and in every picture, and there may be thousands of them.

use serde::{Deserialize, Serialize};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

/// Cheap to clone. A change to one copy (through [`DerefMut`]) leaves the others as they are.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SharedList<T>(Arc<Vec<T>>);

impl<T> SharedList<T> {
    /// Whether both are the same copy; lists that are equal need not be.
    pub fn same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl<T: Clone + PartialEq> SharedList<T> {
    /// Takes over `new`; where nothing is different the copy that others share stays.
    pub fn take_over(&mut self, new: &[T]) {
        if self.as_slice() != new {
            *self = Self(Arc::new(new.to_vec()));
        }
    }
}

impl<T> Default for SharedList<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T: PartialEq> PartialEq for SharedList<T> {
    fn eq(&self, other: &Self) -> bool {
        self.same(other) || self.0 == other.0
    }
}

impl<T> Deref for SharedList<T> {
    type Target = Vec<T>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<T: Clone> DerefMut for SharedList<T> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        Arc::make_mut(&mut self.0)
    }
}

impl<T> From<Vec<T>> for SharedList<T> {
    fn from(mut all: Vec<T>) -> Self {
        // It grew while it was made and is kept for long.
        all.shrink_to_fit();
        Self(Arc::new(all))
    }
}

impl<T> FromIterator<T> for SharedList<T> {
    fn from_iter<I: IntoIterator<Item = T>>(all: I) -> Self {
        all.into_iter().collect::<Vec<_>>().into()
    }
}

impl<'a, T> IntoIterator for &'a SharedList<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<'a, T: Clone> IntoIterator for &'a mut SharedList<T> {
    type Item = &'a mut T;
    type IntoIter = std::slice::IterMut<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_share_until_one_is_changed() {
        let mut one: SharedList<u8> = vec![1, 2].into();
        let other = one.clone();
        assert!(one.same(&other));
        one.take_over(&[1, 2]);
        assert!(one.same(&other), "the same again is no change");
        one.push(3);
        assert_eq!((one.as_slice(), other.as_slice()), (&[1, 2, 3][..], &[1, 2][..]));
        one.take_over(&[1, 2]);
        assert!(one == other && !one.same(&other));
    }
}
