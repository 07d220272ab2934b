// Package wholefile writes small files that matter, such as keys, lists of users and
// marks: each is whole or not there at all, whatever ends the writing, be it a full disk or
// a loss of power.
package wholefile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Put writes a file in the place of the one before. Where that fails, one of the two is there,
// whole: the one before, but for the last step, when the medium may not yet remember the new one.
func Put(path string, content []byte, mode fs.FileMode) error {
	return write(path, content, mode, os.Rename)
}

// Make writes a file where there is none. One that is there stays: the error is fs.ErrExist.
func Make(path string, content []byte, mode fs.FileMode) error {
	return write(path, content, mode, os.Link)
}

func write(path string, content []byte, mode fs.FileMode, show func(from, to string) error) error {
	folder := filepath.Dir(path)
	temp, err := os.CreateTemp(folder, ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	_, err = temp.Write(content)
	// All of it is tried, so that what one step hides another may tell. What is seen under the
	// file's own name must come after, and only where nothing failed.
	if err := errors.Join(err, temp.Chmod(mode), temp.Sync(), temp.Close()); err != nil {
		return err
	}
	if err := show(temp.Name(), path); err != nil {
		return err
	}
	return sync(folder)
}

// sync has the medium remember the names in a folder.
func sync(folder string) error {
	f, err := os.Open(folder)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
