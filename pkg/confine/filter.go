package confine

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// forbidden are system calls that no decoder needs: those that reach into the kernel's own doings,
// into other processes, or that make rooms within rooms.
var forbidden = []uint32{
	unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV, unix.SYS_KCMP, unix.SYS_PIDFD_GETFD,
	unix.SYS_UNSHARE, unix.SYS_SETNS, unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT, unix.SYS_CHROOT,
	unix.SYS_MOVE_MOUNT, unix.SYS_OPEN_TREE, unix.SYS_FSOPEN, unix.SYS_FSCONFIG, unix.SYS_FSMOUNT, unix.SYS_FSPICK, unix.SYS_MOUNT_SETATTR,
	unix.SYS_NAME_TO_HANDLE_AT, unix.SYS_OPEN_BY_HANDLE_AT, unix.SYS_FANOTIFY_INIT, unix.SYS_QUOTACTL, unix.SYS_ACCT, unix.SYS_SWAPON, unix.SYS_SWAPOFF,
	unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_USERFAULTFD, unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER,
	unix.SYS_KEYCTL, unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY, unix.SYS_SYSLOG, unix.SYS_REBOOT, unix.SYS_KEXEC_LOAD, unix.SYS_KEXEC_FILE_LOAD,
	unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE, unix.SYS_SETTIMEOFDAY, unix.SYS_CLOCK_SETTIME, unix.SYS_ADJTIMEX,
	unix.SYS_CLOCK_ADJTIME, unix.SYS_PERSONALITY, unix.SYS_MBIND, unix.SYS_SET_MEMPOLICY, unix.SYS_MIGRATE_PAGES, unix.SYS_MOVE_PAGES,
	unix.SYS_SHMGET, unix.SYS_MSGGET, unix.SYS_SEMGET, unix.SYS_MQ_OPEN, unix.SYS_VHANGUP, unix.SYS_SETHOSTNAME, unix.SYS_SETDOMAINNAME,
}

// Places in what the kernel shows a filter (struct seccomp_data).
const (
	offsetCall     = 0
	offsetArch     = 4
	offsetFirstArg = 16 // its lower half
)

// What a filter is made of.
const (
	foreignCalls  = 0x40000000 // of the x32 interface and above
	newNamespaces = unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWCGROUP
	allow         = unix.SECCOMP_RET_ALLOW
	refuse        = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)
	unknown       = unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
	killAll       = unix.SECCOMP_RET_KILL_PROCESS
	loadWord      = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
	jumpEqual     = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
	jumpAtLeast   = unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K
	jumpAnySet    = unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K
	give          = unix.BPF_RET | unix.BPF_K
	auditX86      = unix.AUDIT_ARCH_X86_64
	auditARM      = unix.AUDIT_ARCH_AARCH64
)

// filterCalls forbids what is in forbidden, new namespaces, and sockets that are not local ones, for
// this process and all that it starts.
func filterCalls() error {
	arch := uint32(auditX86)
	switch runtime.GOARCH {
	case "amd64":
	case "arm64":
		arch = auditARM
	default:
		return unix.ENOTSUP // whose numbers of calls nobody has looked up
	}
	filter := []unix.SockFilter{
		{Code: loadWord, K: offsetArch},
		{Code: jumpEqual, K: arch, Jt: 1},
		{Code: give, K: killAll},
		{Code: loadWord, K: offsetCall},
		{Code: jumpAtLeast, K: foreignCalls, Jf: 1},
		{Code: give, K: refuse},
		// What clone3 is asked for stands in memory, which a filter does not see; without it, programs fall back on clone.
		{Code: jumpEqual, K: unix.SYS_CLONE3, Jf: 1},
		{Code: give, K: unknown},
		{Code: jumpEqual, K: unix.SYS_CLONE, Jf: 4},
		{Code: loadWord, K: offsetFirstArg},
		{Code: jumpAnySet, K: newNamespaces, Jf: 1},
		{Code: give, K: refuse},
		{Code: give, K: allow},
		{Code: jumpEqual, K: unix.SYS_SOCKET, Jf: 4},
		{Code: loadWord, K: offsetFirstArg},
		{Code: jumpEqual, K: unix.AF_UNIX, Jt: 1},
		{Code: give, K: refuse},
		{Code: give, K: allow},
	}
	for _, call := range forbidden {
		filter = append(filter, unix.SockFilter{Code: jumpEqual, K: call, Jf: 1}, unix.SockFilter{Code: give, K: refuse})
	}
	filter = append(filter, unix.SockFilter{Code: give, K: allow})
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]} //nolint:gosec // some hundred
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&program)))
	if errno != 0 {
		return errno
	}
	return nil
}
