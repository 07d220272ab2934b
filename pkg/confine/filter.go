package confine

import (
	"runtime"
	"slices"
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
	unix.SYS_MEMFD_CREATE, unix.SYS_MEMFD_SECRET, // memory that no limit counts
}

// firstStrange is the first call that nobody has looked at here; those of the x32 interface are far above. Programs
// that know them know how to do without.
const firstStrange = unix.SYS_MAP_SHADOW_STACK

// needed are the calls by which a program in Go goes on that reads and writes one connection, has memory and
// threads, and looks in vain for files; some are there for the C library, where that is linked.
var needed = []uint32{
	unix.SYS_READ, unix.SYS_WRITE, unix.SYS_READV, unix.SYS_WRITEV, unix.SYS_CLOSE, unix.SYS_FCNTL, unix.SYS_LSEEK, unix.SYS_PREAD64,
	unix.SYS_OPENAT, unix.SYS_FSTAT, unix.SYS_STATX, unix.SYS_FSTATFS, unix.SYS_READLINKAT, unix.SYS_GETDENTS64, unix.SYS_FACCESSAT, unix.SYS_FACCESSAT2, unix.SYS_GETCWD,
	unix.SYS_EPOLL_CREATE1, unix.SYS_EPOLL_CTL, unix.SYS_EPOLL_PWAIT, unix.SYS_EPOLL_PWAIT2, unix.SYS_PPOLL, unix.SYS_EVENTFD2, unix.SYS_PIPE2,
	unix.SYS_MUNMAP, unix.SYS_MREMAP, unix.SYS_MADVISE, unix.SYS_MINCORE, unix.SYS_BRK,
	unix.SYS_FUTEX, unix.SYS_SET_ROBUST_LIST, unix.SYS_SET_TID_ADDRESS, unix.SYS_RSEQ, unix.SYS_MEMBARRIER, unix.SYS_SCHED_YIELD, unix.SYS_SCHED_GETAFFINITY,
	unix.SYS_RT_SIGACTION, unix.SYS_RT_SIGPROCMASK, unix.SYS_RT_SIGRETURN, unix.SYS_SIGALTSTACK, unix.SYS_TGKILL, unix.SYS_KILL, unix.SYS_RESTART_SYSCALL,
	unix.SYS_SETITIMER, unix.SYS_TIMER_CREATE, unix.SYS_TIMER_SETTIME, unix.SYS_TIMER_DELETE, unix.SYS_NANOSLEEP, unix.SYS_CLOCK_NANOSLEEP,
	unix.SYS_CLOCK_GETTIME, unix.SYS_CLOCK_GETRES, unix.SYS_GETTIMEOFDAY, unix.SYS_GETRANDOM, unix.SYS_UNAME, unix.SYS_SYSINFO, unix.SYS_GETRUSAGE, unix.SYS_PRLIMIT64,
	unix.SYS_GETPID, unix.SYS_GETPPID, unix.SYS_GETTID, unix.SYS_GETUID, unix.SYS_GETEUID, unix.SYS_GETGID, unix.SYS_GETEGID,
	unix.SYS_EXIT, unix.SYS_EXIT_GROUP,
}

// Places in what the kernel shows a filter (struct seccomp_data).
const (
	offsetCall      = 0
	offsetArch      = 4
	offsetFirstArg  = 16 // its lower half, as of the others
	offsetThirdArg  = offsetFirstArg + 2*8
	offsetFourthArg = offsetFirstArg + 3*8
)

// What a filter is made of.
const (
	uncounted     = unix.MAP_SHARED | unix.MAP_GROWSDOWN | unix.MAP_HUGETLB // memory that RLIMIT_DATA does not
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
	arch, err := architecture()
	if err != nil {
		return err
	}
	return install(forbidding(arch), 0)
}

// filterAlone leaves this process what is in needed, threads, and memory that is counted and not run: it starts no
// other, and no program.
func filterAlone() error {
	arch, err := architecture()
	if err != nil {
		return err
	}
	return install(leaving(arch), unix.SECCOMP_FILTER_FLAG_TSYNC)
}

// architecture is what the numbers of calls here are of.
func architecture() (uint32, error) {
	switch runtime.GOARCH {
	case "amd64":
		return auditX86, nil
	case "arm64":
		return auditARM, nil
	}
	return 0, unix.ENOTSUP // whose numbers of calls nobody has looked up
}

// begin ends who calls by the numbers of another architecture, and has the number of the call at hand.
func begin(arch uint32) []unix.SockFilter {
	return []unix.SockFilter{
		{Code: loadWord, K: offsetArch},
		{Code: jumpEqual, K: arch, Jt: 1},
		{Code: give, K: killAll},
		{Code: loadWord, K: offsetCall},
	}
}

func forbidding(arch uint32) []unix.SockFilter {
	filter := append(begin(arch), []unix.SockFilter{
		{Code: jumpAtLeast, K: firstStrange, Jf: 1},
		{Code: give, K: unknown},
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
	}...)
	return end(filter, slices.Concat(forbidden, forbiddenHere), refuse, allow)
}

func leaving(arch uint32) []unix.SockFilter {
	filter := append(begin(arch), []unix.SockFilter{
		{Code: jumpEqual, K: unix.SYS_CLONE3, Jf: 1},
		{Code: give, K: unknown},
		{Code: jumpEqual, K: unix.SYS_CLONE, Jf: 4},
		{Code: loadWord, K: offsetFirstArg},
		{Code: jumpAnySet, K: unix.CLONE_THREAD, Jt: 1},
		{Code: give, K: refuse},
		{Code: give, K: allow},
		{Code: jumpEqual, K: unix.SYS_MMAP, Jf: 6},
		{Code: loadWord, K: offsetFourthArg},
		{Code: jumpAnySet, K: uncounted, Jt: 3},
		{Code: loadWord, K: offsetThirdArg},
		{Code: jumpAnySet, K: unix.PROT_EXEC, Jt: 1},
		{Code: give, K: allow},
		{Code: give, K: refuse},
		{Code: jumpEqual, K: unix.SYS_MPROTECT, Jf: 4},
		{Code: loadWord, K: offsetThirdArg},
		{Code: jumpAnySet, K: unix.PROT_EXEC, Jf: 1},
		{Code: give, K: refuse},
		{Code: give, K: allow},
	}...)
	return end(filter, slices.Concat(needed, neededHere), allow, refuse)
}

// end has the calls of a list end one way, and all others another.
func end(filter []unix.SockFilter, calls []uint32, listed, others uint32) []unix.SockFilter {
	for _, call := range calls {
		filter = append(filter, unix.SockFilter{Code: jumpEqual, K: call, Jf: 1}, unix.SockFilter{Code: give, K: listed})
	}
	return append(filter, unix.SockFilter{Code: give, K: others})
}

// install puts a filter in force, with those that are. It cannot be taken back.
func install(filter []unix.SockFilter, flags uintptr) error {
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]} //nolint:gosec // some hundred
	stuck, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&program)))
	if errno != 0 {
		return errno
	}
	if stuck != 0 { // a thread that it could not be put in force for
		return unix.EBUSY
	}
	return nil
}
