//! Slices.

use std::cell::{Ref, RefCell};
use std::fmt;
use std::rc::Rc;

use super::{ListType, Value, drop_deep};
use crate::text::Str;

/// A Go slice: a list of values of one element type, shared by its clones.
#[derive(Clone)]
pub struct List {
    data: Rc<Data>,
    ty: &'static ListType,
}

struct Data {
    /// Borrowed for moments only: no code of the host runs while it is.
    items: RefCell<Vec<Value>>,
    nil: bool,
}

impl List {
    /// Makes an `[]interface {}`.
    #[must_use]
    pub fn new(items: Vec<Value>) -> Self {
        Self::typed(&ListType::ANY, items)
    }

    /// Makes a list of a type; the items must be of its element type.
    #[must_use]
    pub fn typed(ty: &'static ListType, items: Vec<Value>) -> Self {
        Self {
            data: Rc::new(Data {
                items: RefCell::new(items),
                nil: false,
            }),
            ty,
        }
    }

    /// Makes a `[]string`.
    #[must_use]
    pub fn strings<S: Into<Str>>(items: impl IntoIterator<Item = S>) -> Self {
        let items = items
            .into_iter()
            .map(|item| Value::Str(item.into()))
            .collect();
        Self::typed(&ListType::STRINGS, items)
    }

    /// Makes a `[]uint8`.
    #[must_use]
    pub fn bytes(bytes: &[u8]) -> Self {
        Self::typed(
            &ListType::BYTES,
            bytes.iter().map(|byte| Value::Uint8(*byte)).collect(),
        )
    }

    /// Makes the nil list of a type: empty, and `null` in JSON.
    #[must_use]
    pub fn nil(ty: &'static ListType) -> Self {
        Self {
            data: Rc::new(Data {
                items: RefCell::default(),
                nil: true,
            }),
            ty,
        }
    }

    /// Returns the type.
    #[must_use]
    pub const fn ty(&self) -> &'static ListType {
        self.ty
    }

    /// Returns the same list as a value of another type with the same elements.
    #[must_use]
    pub fn with_type(&self, ty: &'static ListType) -> Self {
        Self {
            data: Rc::clone(&self.data),
            ty,
        }
    }

    /// Returns the number of items.
    #[must_use]
    pub fn len(&self) -> usize {
        self.data.items.borrow().len()
    }

    /// Tells whether there are no items.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Tells whether the list is nil.
    #[must_use]
    pub fn is_nil(&self) -> bool {
        self.data.nil
    }

    /// Returns the item at `index`.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<Value> {
        self.data.items.borrow().get(index).cloned()
    }

    /// Borrows the items. The list must not be changed while they are borrowed.
    #[must_use]
    pub fn items(&self) -> Ref<'_, [Value]> {
        Ref::map(self.data.items.borrow(), Vec::as_slice)
    }

    /// Copies the items.
    #[must_use]
    pub fn to_vec(&self) -> Vec<Value> {
        self.data.items.borrow().clone()
    }

    /// Returns the bytes of a `[]uint8`.
    #[must_use]
    pub fn to_bytes(&self) -> Option<Vec<u8>> {
        if self.ty.element() != super::Type::Uint8 {
            return None;
        }
        let byte = |item: &Value| match item {
            Value::Uint8(byte) => *byte,
            _ => 0,
        };
        Some(self.items().iter().map(byte).collect())
    }

    /// Sorts the items in place, for everyone who holds the list.
    pub(crate) fn sort_by(&self, compare: impl FnMut(&Value, &Value) -> std::cmp::Ordering) {
        self.data.items.borrow_mut().sort_by(compare);
    }

    /// Tells whether both are the same list in memory.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.data, &other.data)
    }

    /// Puts nil in the place of an item, and returns what it held.
    pub(super) fn cut(&self, at: usize) -> Option<Value> {
        let mut items = self.data.items.borrow_mut();
        items
            .get_mut(at)
            .map(|value| std::mem::replace(value, Value::Nil))
    }

    pub(super) fn address(&self) -> usize {
        Rc::as_ptr(&self.data) as usize
    }

    pub(super) fn take_if_last(self, into: &mut Vec<Value>) {
        if let Some(mut data) = Rc::into_inner(self.data) {
            into.append(data.items.get_mut());
        }
    }
}

impl Drop for Data {
    fn drop(&mut self) {
        let items = self.items.get_mut();
        if items.iter().any(Value::is_container) {
            drop_deep(std::mem::take(items));
        }
    }
}

impl fmt::Debug for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The items may hold the list itself, so they are not shown.
        write!(f, "{}({} items)", self.ty.name(), self.len())
    }
}
