package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// An own folder is the one in which a demonstration or a fleet keeps everything.
type own struct {
	command string
	marks   []string // files that an earlier run left there
	lock    string   // is held while one runs
}

var (
	ownDemo  = own{"demo", []string{filepath.Join("mailbox", "lock")}, filepath.Join("mailbox", "lock")}
	ownFleet = own{"fleet", []string{filepath.Join("letters", "origin.json")}, "lock"}
)

// errNoFolder says that --data names nothing.
var errNoFolder = errors.New("--data names no folder")

// check refuses a folder that holds what no earlier run made, so that nobody's files come
// to lie beside those that are made there, and one in which another runs. It makes nothing.
func (o own) check(dir string) error {
	if strings.TrimSpace(dir) == "" {
		return errNoFolder
	}
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("data folder: %w", err)
	case len(entries) == 0:
		return nil
	}
	known := false
	for _, mark := range o.marks {
		info, err := os.Lstat(filepath.Join(dir, mark))
		known = known || err == nil && info.Mode().IsRegular()
	}
	if !known {
		return fmt.Errorf("data folder %s: it holds files that no earlier run of postern %s made: choose one that is empty or not there yet with --data", dir, o.command)
	}
	return o.runs(dir)
}

// runs refuses a folder whose lock somebody holds.
func (o own) runs(dir string) error {
	file, err := os.OpenFile(filepath.Join(dir, o.lock), os.O_RDWR, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	defer file.Close()
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return o.taken(dir)
	}
	return nil
}

func (o own) taken(dir string) error {
	who := map[string]string{"demo": "demonstration", "fleet": "fleet"}[o.command]
	return fmt.Errorf("data folder %s: another %s runs there: stop that first, or choose another with --data", dir, who)
}
