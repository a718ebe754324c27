# The exception tag that clang throws for setjmp and longjmp; the C library that zig brings does not define it.
  .tagtype __c_longjmp i32
  .globl __c_longjmp
__c_longjmp:
