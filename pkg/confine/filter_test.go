package confine

import (
	"encoding/binary"
	"testing"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// judge is what a filter makes of a call, by an implementation of filters that is not the kernel's.
func judge(t *testing.T, filter []unix.SockFilter, arch, call uint32, args ...uint64) uint32 {
	t.Helper()
	var program []bpf.Instruction
	for _, f := range filter {
		program = append(program, bpf.RawInstruction{Op: f.Code, Jt: f.Jt, Jf: f.Jf, K: f.K}.Disassemble())
	}
	vm, err := bpf.NewVM(program)
	if err != nil {
		t.Fatal(err)
	}
	data := make([]byte, 64) // struct seccomp_data; it reads words as they stand in packets
	binary.BigEndian.PutUint32(data[0:], call)
	binary.BigEndian.PutUint32(data[4:], arch)
	for i, arg := range args {
		binary.BigEndian.PutUint32(data[16+8*i:], uint32(arg))
		binary.BigEndian.PutUint32(data[20+8*i:], uint32(arg>>32))
	}
	verdict, err := vm.Run(data)
	if err != nil {
		t.Fatal(err)
	}
	return uint32(verdict)
}

// Numbers of calls by other interfaces of the same kernel, as its headers have them.
const (
	auditI386  = 0x40000003
	auditARM32 = 0x40000028
	auditMIPS  = 0x8
	i386Mount  = 21
	x32        = 0x40000000
)

func TestCallsByOtherInterfacesEndTheProcessOrAreUnknown(t *testing.T) {
	arch, err := architecture()
	if err != nil {
		t.Fatal(err)
	}
	for name, filter := range map[string][]unix.SockFilter{"forbidding": forbidding(arch), "leaving": leaving(arch)} {
		for _, other := range []uint32{auditI386, auditARM32, auditMIPS, arch ^ auditX86 ^ auditARM} {
			for _, call := range []uint32{0, unix.SYS_READ, unix.SYS_EXIT_GROUP, i386Mount} {
				if got := judge(t, filter, other, call); got != killAll {
					t.Errorf("%s: call %d of architecture %#x: %#x", name, call, other, got)
				}
			}
		}
		for _, call := range []uint32{x32 + unix.SYS_READ, x32 + unix.SYS_MOUNT, 1<<32 - 1, unix.SYS_LISTNS, unix.SYS_CLONE3} {
			if got := judge(t, filter, arch, call); got != unknown && got != refuse {
				t.Errorf("%s: call %#x: %#x", name, call, got)
			}
		}
	}
}

func TestArgumentsAreLookedAt(t *testing.T) {
	arch, err := architecture()
	if err != nil {
		t.Fatal(err)
	}
	const thread = unix.CLONE_VM | unix.CLONE_FS | unix.CLONE_FILES | unix.CLONE_SIGHAND | unix.CLONE_THREAD | unix.CLONE_SYSVSEM
	const private = unix.MAP_PRIVATE | unix.MAP_ANON
	for name, c := range map[string]struct {
		call           uint32
		args           []uint64
		outside, alone uint32
	}{
		"a thread":              {unix.SYS_CLONE, []uint64{thread}, allow, allow},
		"a process":             {unix.SYS_CLONE, []uint64{uint64(unix.SIGCHLD)}, allow, refuse},
		"a process as vfork":    {unix.SYS_CLONE, []uint64{unix.CLONE_VM | unix.CLONE_VFORK | uint64(unix.SIGCHLD)}, allow, refuse},
		"a user namespace":      {unix.SYS_CLONE, []uint64{unix.CLONE_NEWUSER | uint64(unix.SIGCHLD)}, refuse, refuse},
		"a local socket":        {unix.SYS_SOCKET, []uint64{unix.AF_UNIX}, allow, refuse},
		"a socket":              {unix.SYS_SOCKET, []uint64{unix.AF_INET}, refuse, refuse},
		"a netlink socket":      {unix.SYS_SOCKET, []uint64{unix.AF_NETLINK}, refuse, refuse},
		"memory":                {unix.SYS_MMAP, []uint64{0, 4096, unix.PROT_READ | unix.PROT_WRITE, private}, allow, allow},
		"memory that is shared": {unix.SYS_MMAP, []uint64{0, 4096, unix.PROT_READ, unix.MAP_SHARED | unix.MAP_ANON}, allow, refuse},
		"shared and validated":  {unix.SYS_MMAP, []uint64{0, 4096, unix.PROT_READ, unix.MAP_SHARED_VALIDATE}, allow, refuse},
		"memory that grows":     {unix.SYS_MMAP, []uint64{0, 4096, unix.PROT_READ, private | unix.MAP_GROWSDOWN}, allow, refuse},
		"memory in huge pages":  {unix.SYS_MMAP, []uint64{0, 4096, unix.PROT_READ, private | unix.MAP_HUGETLB}, allow, refuse},
		"code":                  {unix.SYS_MMAP, []uint64{0, 4096, unix.PROT_EXEC, private}, allow, refuse},
		"memory to write":       {unix.SYS_MPROTECT, []uint64{0, 4096, unix.PROT_READ | unix.PROT_WRITE}, allow, allow},
		"memory to run":         {unix.SYS_MPROTECT, []uint64{0, 4096, unix.PROT_READ | unix.PROT_EXEC}, allow, refuse},
		"a program":             {unix.SYS_EXECVE, nil, allow, refuse},
		"a program by its file": {unix.SYS_EXECVEAT, nil, allow, refuse},
		"a mount":               {unix.SYS_MOUNT, nil, refuse, refuse},
		"an option of process":  {unix.SYS_PRCTL, nil, allow, refuse},
	} {
		if got := judge(t, forbidding(arch), arch, c.call, c.args...); got != c.outside {
			t.Errorf("%s: %#x, want %#x", name, got, c.outside)
		}
		if got := judge(t, leaving(arch), arch, c.call, c.args...); got != c.alone {
			t.Errorf("%s, alone: %#x, want %#x", name, got, c.alone)
		}
	}
}

func TestNoCallIsBothNeededAndForbidden(t *testing.T) {
	arch, err := architecture()
	if err != nil {
		t.Fatal(err)
	}
	for _, calls := range [][]uint32{needed, neededHere} {
		for _, call := range calls {
			if got := judge(t, forbidding(arch), arch, call); got != allow {
				t.Errorf("call %d is needed, and refused", call)
			}
		}
	}
	for _, calls := range [][]uint32{forbidden, forbiddenHere} {
		for _, call := range calls {
			if judge(t, forbidding(arch), arch, call) == allow || judge(t, leaving(arch), arch, call) == allow {
				t.Errorf("call %d is forbidden, and allowed", call)
			}
		}
	}
}
