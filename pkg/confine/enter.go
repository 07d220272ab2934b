package confine

import (
	"debug/elf"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// exeFile is this program, by which it starts itself once more from within.
const exeFile = 4

// An order is what a child is told about the room that it makes itself.
type order struct {
	UID, GID  int // that it has outside
	Memory    int64
	CPU       uint64 // seconds
	Processes uint64
	Visible   []string
	Scratch   int64
}

// enter shuts this process in and starts the program anew inside, where it works. What
// is set before that start holds for every thread after it.
func enter(args []string) int {
	runtime.LockOSThread() // what is set for one thread must be what starts the program
	w := newWire(os.NewFile(socketFile, "socket"))
	var o order
	if len(args) != 1 || json.Unmarshal([]byte(args[0]), &o) != nil {
		return exitMisuse
	}
	if err := o.enter(); err != nil {
		_ = w.sendError(err.Error())
		return exitFailed
	}
	return exitDone // not reached
}

func (o *order) enter() error {
	for _, step := range []struct {
		what string
		do   func() error
	}{
		{"descriptors", closeOthers},
		{"first to go", goFirst},
		{"no memory in dumps", emptyDumps},
		{"user namespace", o.mapIDs},
		{"file system", o.root},
		{"resource limits", o.limit},
		{"capabilities", dropCapabilities},
		{"no new privileges", func() error { return unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }},
		{"Landlock", o.landlock},
		{"system call filter", filterCalls},
	} {
		if err := step.do(); err != nil {
			return fmt.Errorf("%s: %w", step.what, err)
		}
	}
	step := stepWork
	if o.alone() {
		step = stepAlone
	}
	return startInside(step)
}

// alone tells whether there is nothing for a child to start.
func (o *order) alone() bool { return len(o.Visible) == 0 && o.Scratch == 0 }

// closeOthers has all be closed with the next start of a program that this process was started with: whoever started
// the service may have left it open.
func closeOthers() error {
	return unix.CloseRange(exeFile+1, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
}

// goFirst offers this process to a kernel that is out of memory, before any other.
func goFirst() error { return os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0) }

// emptyDumps keeps memory out of core dumps, also of programs that are started. A limit of size is not asked where
// dumps are handed to a program (core(5)), and that dumps are off ends with the next start.
func emptyDumps() error {
	err := os.WriteFile("/proc/self/coredump_filter", []byte("0"), 0)
	if errors.Is(err, fs.ErrNotExist) { // this kernel makes no dumps
		return nil
	}
	return err
}

// mapIDs makes this user nobody special inside, and the only one.
func (o *order) mapIDs() error {
	for _, f := range []struct{ name, text string }{
		{"/proc/self/setgroups", "deny"},
		{"/proc/self/uid_map", "0 " + strconv.Itoa(o.UID) + " 1"},
		{"/proc/self/gid_map", "0 " + strconv.Itoa(o.GID) + " 1"},
	} {
		if err := os.WriteFile(f.name, []byte(f.text), 0); err != nil {
			return err
		}
	}
	return nil
}

// root makes an empty file system the root, with what shall be visible in it.
func (o *order) root() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("private mounts: %w", err)
	}
	interpreter, err := interpreted()
	if err != nil {
		return err
	}
	visible := o.Visible
	if interpreter { // a program that is linked dynamically needs its libraries to start
		visible = append([]string{"/lib", "/lib64", "/usr/lib"}, visible...)
	}
	if o.Scratch > 0 { // for the programs that need it, which need these too
		visible = append(visible, "/dev/null", "/dev/zero", "/dev/urandom")
	}
	sources := map[string]int{}
	for _, path := range visible {
		fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
		if err == nil {
			sources[path] = fd
		}
	}
	// Any folder will do to mount on, and this one is everywhere.
	const at = "/proc"
	if err := unix.Mount("postern", at, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0755,size=64k,nr_inodes=256"); err != nil {
		return fmt.Errorf("empty root: %w", err)
	}
	if err := unix.Chdir(at); err != nil {
		return err
	}
	for _, path := range slices.Sorted(maps.Keys(sources)) {
		if err := show(sources[path], path); err != nil {
			return fmt.Errorf("show %s: %w", path, err)
		}
	}
	if o.Scratch > 0 {
		if err := os.MkdirAll("tmp", 0o700); err != nil {
			return err
		}
		if err := unix.Mount("postern", "tmp", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=0700,size="+strconv.FormatInt(o.Scratch, 10)); err != nil {
			return fmt.Errorf("scratch: %w", err)
		}
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("pivot: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("old root: %w", err)
	}
	if err := unix.Chdir("/"); err != nil {
		return err
	}
	return unix.Mount("", "/", "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV, "")
}

// show binds a folder or a device into the new root, at the path that it has outside.
func show(fd int, path string) error {
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return err
	}
	target, device := "."+path, stat.Mode&unix.S_IFMT == unix.S_IFCHR
	if device {
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(target, nil, 0o644); err != nil {
			return err
		}
	} else if err := os.MkdirAll(target, 0o755); err != nil {
		return err
	}
	tree, err := unix.OpenTree(fd, "", unix.AT_EMPTY_PATH|unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(tree) }()
	attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV}
	if device {
		attr.Attr_set = unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NOEXEC
	}
	if err := unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH, &attr); err != nil {
		return err
	}
	return unix.MoveMount(tree, "", unix.AT_FDCWD, target, unix.MOVE_MOUNT_F_EMPTY_PATH)
}

// interpreted tells whether this program needs another to be loaded.
func interpreted() (bool, error) {
	file, err := elf.NewFile(os.NewFile(exeFile, "program"))
	if err != nil {
		return false, fmt.Errorf("own program: %w", err)
	}
	for _, p := range file.Progs {
		if p.Type == elf.PT_INTERP {
			return true, nil
		}
	}
	return false, nil
}

func (o *order) limit() error {
	memory := uint64(max(0, o.Memory)) //nolint:gosec // positive
	space := uint64(unix.RLIM_INFINITY)
	if addressSpace > 0 {
		space = memory + addressSpace
	}
	for _, l := range []struct {
		which int
		most  uint64
	}{
		{unix.RLIMIT_CORE, 0},
		{unix.RLIMIT_MEMLOCK, 0},
		{unix.RLIMIT_MSGQUEUE, 0},
		{unix.RLIMIT_NOFILE, 256},
		{unix.RLIMIT_FSIZE, uint64(max(0, o.Scratch))}, //nolint:gosec // positive
		{unix.RLIMIT_NPROC, o.Processes},
		{unix.RLIMIT_DATA, memory},
		{unix.RLIMIT_CPU, o.CPU},
		{unix.RLIMIT_AS, space},
	} {
		if err := unix.Setrlimit(l.which, &unix.Rlimit{Cur: l.most, Max: l.most}); err != nil {
			return fmt.Errorf("limit %d: %w", l.which, err)
		}
	}
	return nil
}

// dropCapabilities gives up all of them, and the ways to get any back.
func dropCapabilities() error {
	const lastCapability = 63
	for c := uintptr(0); c <= lastCapability; c++ {
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0); err == unix.EINVAL { //nolint:errorlint // a system call's own
			break // there are no more
		} else if err != nil {
			return fmt.Errorf("bounding set: %w", err)
		}
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return fmt.Errorf("ambient set: %w", err)
	}
	const noRootNoSetuidKeep = 1<<0 | 1<<1 | 1<<2 | 1<<3 | 1<<5 | 1<<6 | 1<<7 // SECBIT_*: each, and locked; KEEP_CAPS locked off
	if err := unix.Prctl(unix.PR_SET_SECUREBITS, noRootNoSetuidKeep, 0, 0, 0); err != nil {
		return fmt.Errorf("secure bits: %w", err)
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	return unix.Capset(&header, &none[0])
}

// Rights under Landlock, by the version of the kernel's interface that has them.
var landlockFiles = []struct {
	since  int
	rights uint64
}{
	{1, unix.LANDLOCK_ACCESS_FS_MAKE_SYM<<1 - 1},
	{2, unix.LANDLOCK_ACCESS_FS_REFER},
	{3, unix.LANDLOCK_ACCESS_FS_TRUNCATE},
	{5, unix.LANDLOCK_ACCESS_FS_IOCTL_DEV},
}

const (
	landlockRead  = unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR
	landlockFile  = unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_READ_FILE
	landlockWrite = landlockRead&^unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_REMOVE_DIR |
		unix.LANDLOCK_ACCESS_FS_REMOVE_FILE | unix.LANDLOCK_ACCESS_FS_MAKE_DIR | unix.LANDLOCK_ACCESS_FS_MAKE_REG |
		unix.LANDLOCK_ACCESS_FS_MAKE_SOCK | unix.LANDLOCK_ACCESS_FS_MAKE_FIFO | unix.LANDLOCK_ACCESS_FS_MAKE_SYM |
		unix.LANDLOCK_ACCESS_FS_REFER | unix.LANDLOCK_ACCESS_FS_TRUNCATE
)

// landlock takes every right to files and to TCP, but for this program's own file, what is visible,
// and the scratch.
func (o *order) landlock() error {
	version, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return errno
	}
	var attr unix.LandlockRulesetAttr
	for _, l := range landlockFiles {
		if int(version) >= l.since {
			attr.Handled_access_fs |= l.rights
		}
	}
	size := unsafe.Sizeof(attr.Handled_access_fs)
	if version >= 4 {
		attr.Handled_access_net = unix.LANDLOCK_ACCESS_NET_BIND_TCP | unix.LANDLOCK_ACCESS_NET_CONNECT_TCP
		size += unsafe.Sizeof(attr.Handled_access_net)
	}
	if version >= 6 {
		attr.Scoped = unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | unix.LANDLOCK_SCOPE_SIGNAL
		size += unsafe.Sizeof(attr.Scoped)
	}
	ruleset, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), size, 0)
	if errno != 0 {
		return errno
	}
	allow := func(fd int, rights uint64) error {
		rule := unix.LandlockPathBeneathAttr{Allowed_access: rights & attr.Handled_access_fs, Parent_fd: int32(fd)} //nolint:gosec // a descriptor
		_, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, ruleset, unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&rule)), 0, 0, 0)
		if errno != 0 {
			return errno
		}
		return nil
	}
	if err := allow(exeFile, landlockFile); err != nil {
		return err
	}
	root, err := unix.Open("/", unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := allow(root, landlockRead); err != nil {
		return err
	}
	if o.Scratch > 0 {
		tmp, err := unix.Open("/tmp", unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		if err := allow(tmp, landlockWrite); err != nil {
			return err
		}
		if null, err := unix.Open("/dev/null", unix.O_PATH|unix.O_CLOEXEC, 0); err == nil {
			if err := allow(null, unix.LANDLOCK_ACCESS_FS_READ_FILE|unix.LANDLOCK_ACCESS_FS_WRITE_FILE); err != nil {
				return err
			}
		}
	}
	if _, _, errno := unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, ruleset, 0, 0); errno != 0 {
		return errno
	}
	return nil
}

// startInside starts this program anew, by its open file: inside there is none.
func startInside(step string) error {
	empty, err := unix.BytePtrFromString("")
	if err != nil {
		return err
	}
	args, err := syscall.SlicePtrFromStrings([]string{childName, step})
	if err != nil {
		return err
	}
	env, err := syscall.SlicePtrFromStrings(os.Environ())
	if err != nil {
		return err
	}
	if _, err := unix.FcntlInt(exeFile, unix.F_SETFD, unix.FD_CLOEXEC); err != nil {
		return err
	}
	_, _, errno := unix.Syscall6(unix.SYS_EXECVEAT, exeFile, uintptr(unsafe.Pointer(empty)),
		uintptr(unsafe.Pointer(&args[0])), uintptr(unsafe.Pointer(&env[0])), unix.AT_EMPTY_PATH, 0)
	return errno
}
