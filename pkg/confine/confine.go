// Package confine runs work on hostile bytes in child processes that the kernel
// confines: in user, mount, process, network, IPC and host name namespaces of
// their own, with an empty file system as root, without any capability, under
// Landlock, a filter of system calls and resource limits. A decoder that crashes,
// hangs, explodes or is taken over costs the job it was at; it reaches no file, no
// network, no other process and no key.
//
// Children are this program, started anew, and wait in a pool: no job pays for the
// start of a process, and no child does more than a bounded number of jobs. Where
// the kernel refuses any of this there are no children, and nothing is done without
// them. The filter names what is forbidden, not what is allowed: what remains are the
// kernel's own faults in ordinary calls.
package confine

import (
	"context"
	"errors"
	"io"
	"runtime"
	"time"
)

// A Job is one kind of work that children do, by name. It gets parts and gives parts.
// It must not rely on any file, and keeps nothing for the next job. That it returns an error is
// told, and what the error says is not.
type Job func(ctx context.Context, parts [][]byte, ask Ask) ([][]byte, error)

// Ask puts a question to the process that gave the job: bytes, read to their end, and an
// answer. Its error is for a child that is cut off, or for an answer that could not be had.
type Ask func(question io.Reader) ([]byte, error)

// Answer answers a child's questions, in the process that gave the job. What it does not
// read of a question is passed over.
type Answer func(ctx context.Context, question io.Reader) ([]byte, error)

// How a job ends that did not end well.
var (
	// ErrDied says that the child is gone: it crashed, was killed by a limit, or took too long.
	ErrDied = errors.New("decoder process died")
	// ErrNone says that no child can be started.
	ErrNone = errors.New("no confined process")
	// ErrJob says that the job itself returned an error. What it says is not repeated: it may be words of a mail.
	ErrJob = errors.New("confined job")
)

// A Room is what a child may use. Zero fields take the values of DefaultRoom.
type Room struct {
	Memory int64         // bytes of one process's writable memory
	CPU    time.Duration // of one process, over all its jobs
	Jobs   int           // after which a child is replaced
	Time   time.Duration // for one job, without the time that questions took to be answered
	Asking time.Duration // for all the questions of one job to be answered
	Result int64         // bytes that one job may give

	Questions int   // of one job
	Asked     int64 // bytes of all of them
	// Visible are folders of the system that stay readable, and whose programs may be started, for
	// decoders that are programs of their own. Missing ones are left out. Most work needs none.
	Visible []string
	// Scratch is how many bytes of memory a child may use as files under /tmp; 0 leaves it without.
	Scratch int64
	// Processes is how many processes and threads the child may have.
	Processes int
}

// DefaultRoom suits a mail of the largest size with what is packed in it.
var DefaultRoom = Room{
	Memory: 1 << 30, CPU: 10 * time.Minute, Jobs: 200, Time: 60 * time.Second, Asking: 10 * time.Minute, Result: 256 << 20,
	Questions: 1 << 15, Asked: 2 << 30, Processes: 64,
}

func (r Room) withDefaults() Room {
	d := DefaultRoom
	if r.Memory <= 0 {
		r.Memory = d.Memory
	}
	if r.CPU <= 0 {
		r.CPU = d.CPU
	}
	if r.Jobs <= 0 {
		r.Jobs = d.Jobs
	}
	if r.Time <= 0 {
		r.Time = d.Time
	}
	if r.Asking <= 0 {
		r.Asking = d.Asking
	}
	if r.Result <= 0 {
		r.Result = d.Result
	}
	if r.Questions <= 0 {
		r.Questions = d.Questions
	}
	if r.Asked <= 0 {
		r.Asked = d.Asked
	}
	if r.Processes <= 0 {
		r.Processes = d.Processes
	}
	return r
}

// AtOnce is how many children a pool has where nobody says: some wait for answers while
// others work.
func AtOnce() int { return max(2, runtime.NumCPU()) + 1 }
