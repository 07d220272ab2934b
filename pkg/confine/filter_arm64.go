package confine

import "golang.org/x/sys/unix"

// Calls that only this architecture has.
var (
	forbiddenHere = []uint32{unix.SYS_NFSSERVCTL, unix.SYS_LOOKUP_DCOOKIE}
	neededHere    = []uint32{unix.SYS_FSTATAT, unix.SYS_GETRLIMIT}
)
