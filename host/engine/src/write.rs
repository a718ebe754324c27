//! The mechanical writes that a commit is made of. The engine decides them; a store carries them out, all or none,
//! without looking into a value.
//!
//! Keys are relative to the partition (`alice.active_quests`); the store puts its prefix and the partition's tag before them.

/// One write to a partition's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// Sets a field of a hash.
    HashSet {
        /// The hash.
        key: String,
        /// The field.
        field: Vec<u8>,
        /// Its new value.
        value: Vec<u8>,
    },
    /// Removes a field of a hash.
    HashRemove {
        /// The hash.
        key: String,
        /// The field.
        field: Vec<u8>,
    },
    /// Adds a member to a set.
    SetAdd {
        /// The set.
        key: String,
        /// The member.
        member: Vec<u8>,
    },
    /// Removes a member of a set.
    SetRemove {
        /// The set.
        key: String,
        /// The member.
        member: Vec<u8>,
    },
    /// Adds a member to a sorted set, or moves it.
    SortedSet {
        /// The sorted set.
        key: String,
        /// The member.
        member: Vec<u8>,
        /// Its score, below 2^53.
        score: u64,
    },
    /// Removes a member of a sorted set.
    SortedRemove {
        /// The sorted set.
        key: String,
        /// The member.
        member: Vec<u8>,
    },
    /// Appends to a list.
    ListAppend {
        /// The list.
        key: String,
        /// The element.
        value: Vec<u8>,
    },
    /// Puts an element before a list's first.
    ListPrepend {
        /// The list.
        key: String,
        /// The element.
        value: Vec<u8>,
    },
    /// Removes the first elements of a list (all, if it has fewer).
    ListTrimFront {
        /// The list.
        key: String,
        /// How many.
        count: u64,
    },
    /// Deletes a key of any kind.
    Delete {
        /// The key.
        key: String,
    },
}
