//go:build !race

package confine

// addressSpace is how much a process may map beside its memory: programs reserve a lot that they never use. It
// bounds what no other limit counts, such as the kernel's own tables for memory that is only read.
const addressSpace = 4 << 30
