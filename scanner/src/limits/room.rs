//! A room's limits: what each is called, is, may be, and is of.

/// One limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// As configuration writes it.
    pub name: String,
    /// Its value.
    pub value: u64,
    /// The most that it may be set to; the least is 1.
    pub most: u64,
    /// What it is of, in words.
    pub what: String,
}

/// Why a limit cannot be set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// No room is called so.
    #[error("no limits are called `{0}`")]
    Room(String),
    /// The room has none of that name.
    #[error("no limit is called `{0}`")]
    Name(String),
    /// It would be nothing, or more than this program can hold to.
    #[error("`{name}` is {value}: it can be 1 to {most}")]
    Range {
        /// As configuration writes it.
        name: String,
        /// What it was set to.
        value: u64,
        /// The most that it may be.
        most: u64,
    },
    /// Too late.
    #[error("other limits are in force in this process already")]
    InForce,
}

/// Limits that belong together.
pub(super) trait Room {
    /// All of them, in order.
    fn all(&self) -> Vec<Limit>;
    /// Sets one by its name.
    fn change(&mut self, name: &str, value: u64) -> Result<(), Invalid>;
}

/// How much higher than by default a limit can be set where nothing says otherwise.
pub(super) const HIGHER: u64 = 16;

/// A struct of limits with their defaults; `to` says the most where sixteen times the default is too much.
macro_rules! limits {
    ($(#[$meta:meta])* pub struct $Room:ident {
        $($(#[doc = $what:literal])+ $field:ident: $kind:ty = $value:expr $(, to $most:expr)?;)+
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct $Room {
            $($(#[doc = $what])+ pub $field: $kind,)+
        }

        impl Default for $Room {
            fn default() -> Self {
                Self { $($field: $value,)+ }
            }
        }

        impl $crate::limits::room::Room for $Room {
            fn all(&self) -> Vec<$crate::limits::Limit> {
                let mut all = Vec::new();
                $(
                    let (default, most): (u64, &[u64]) = ($value, &[$($most)?]);
                    all.push($crate::limits::Limit {
                        name: stringify!($field).replace('_', "-"),
                        value: self.$field as u64,
                        most: most.first().copied().unwrap_or(default.saturating_mul($crate::limits::room::HIGHER)),
                        what: concat!($($what),+).trim().to_owned(),
                    });
                )+
                all
            }
            fn change(&mut self, name: &str, value: u64) -> Result<(), $crate::limits::Invalid> {
                use $crate::limits::Invalid;
                let limit = self.all().into_iter().find(|l| l.name == name);
                let limit = limit.ok_or_else(|| Invalid::Name(name.to_owned()))?;
                let out_of_range = || Invalid::Range { name: name.to_owned(), value, most: limit.most };
                if !(1..=limit.most).contains(&value) {
                    return Err(out_of_range());
                }
                match name.replace('-', "_").as_str() {
                    $(stringify!($field) => self.$field = value.try_into().map_err(|_| out_of_range())?,)+
                    _ => return Err(Invalid::Name(name.to_owned())),
                }
                Ok(())
            }
        }
    };
}
pub(super) use limits;
