//! Faults of the disk, in real processes: which call fails ([`fault`]), how it is made to ([`trap`]), what is done meanwhile and what
//! must be there afterwards ([`work`]), and where ([`scene`]).

mod call;
pub mod fault;
mod power;
pub mod scene;
pub mod trap;
pub mod work;
