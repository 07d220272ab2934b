package main

import (
	"fmt"
	"os"
	"slices"
	"testing"
)

// A stand is what the mail servers of the tests want of a test: a place to clean up, and somebody to tell that
// they cannot start, who hears of it as a panic. It has no other of a test's methods.
type stand struct {
	testing.TB
	cleanups []func()
}

// errStand is why a server does not stand.
type errStand struct{ why string }

// onStand calls work with a stand, whose servers end with it. What cannot start is an error.
func onStand(work func(t testing.TB) error) (err error) {
	s := &stand{}
	defer func() {
		for _, clean := range slices.Backward(s.cleanups) {
			clean()
		}
	}()
	defer func() {
		if thrown := recover(); thrown != nil {
			why, ours := thrown.(errStand)
			if !ours {
				panic(thrown)
			}
			err = fmt.Errorf("%w: %s", errNoStand, why.why)
		}
	}()
	return work(s)
}

func (s *stand) Helper()                           {}
func (s *stand) Name() string                      { return "bench" }
func (s *stand) Cleanup(f func())                  { s.cleanups = append(s.cleanups, f) }
func (s *stand) Fatal(args ...any)                 { panic(errStand{fmt.Sprint(args...)}) }
func (s *stand) Fatalf(format string, args ...any) { panic(errStand{fmt.Sprintf(format, args...)}) }
func (s *stand) Skip(args ...any)                  { panic(errStand{fmt.Sprint(args...)}) }
func (s *stand) Skipf(format string, args ...any)  { panic(errStand{fmt.Sprintf(format, args...)}) }
func (s *stand) Error(args ...any)                 { fmt.Fprintln(os.Stderr, args...) }
func (s *stand) Errorf(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
func (s *stand) Log(...any)                        {}
func (s *stand) Logf(string, ...any)               {}

// TempDir goes with the stand.
func (s *stand) TempDir() string {
	folder, err := os.MkdirTemp("", "postern-bench")
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { os.RemoveAll(folder) })
	return folder
}
