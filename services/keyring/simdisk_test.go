package keyring

import (
	"bytes"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
)

var errPower = errors.New("power cut")

// A powerCut says how the disk fares when the power goes.
type powerCut int

const (
	lost powerCut = iota // what was not synced is gone, and the write at hand never began
	kept                 // what was not synced is there; the write at hand never began
	torn                 // what was not synced is there, and the write at hand in its first half
	half                 // files that were not synced are cut in half, names are kept; write at hand torn
)

type simFile struct{ durable, current []byte }

// A simDisk is a Disk that forgets what was not synced. It counts changing calls and cuts
// the power at the at-th.
type simDisk struct {
	current, durable map[string]*simFile // names
	at               int                 // 0: never
	how              powerCut
	fail             bool // the call fails, and the power stays on
	calls            []string
	off              bool
}

func newSimDisk() *simDisk {
	return &simDisk{current: map[string]*simFile{}, durable: map[string]*simFile{}}
}

// step counts a changing call. Where it gives an error the call must not have its effect.
func (d *simDisk) step(call string) (cut bool, err error) {
	if d.off {
		return false, errPower
	}
	d.calls = append(d.calls, call)
	if d.at == 0 || len(d.calls) != d.at {
		return false, nil
	}
	if !d.fail {
		d.off = true
	}
	return d.how == torn || d.how == half, errPower
}

func (d *simDisk) Read(name string) ([]byte, error) {
	if d.off {
		return nil, errPower
	}
	f := d.current[name]
	if f == nil {
		return nil, fs.ErrNotExist
	}
	return bytes.Clone(f.current), nil
}

func (d *simDisk) WriteAt(name string, offset int64, data []byte) error {
	cut, err := d.step("write " + name)
	if err != nil && !cut {
		return err
	}
	if cut {
		data = data[:len(data)/2]
	}
	f := d.current[name]
	if f == nil {
		f = &simFile{}
		d.current[name] = f
	}
	if need := int(offset) + len(data); need > len(f.current) {
		f.current = append(f.current, make([]byte, need-len(f.current))...)
	}
	f.current = bytes.Clone(f.current)
	copy(f.current[offset:], data)
	return err
}

func (d *simDisk) Sync(name string) error {
	if _, err := d.step("sync " + name); err != nil {
		return err
	}
	f := d.current[name]
	if f == nil {
		return fs.ErrNotExist
	}
	f.durable = bytes.Clone(f.current)
	return nil
}

func (d *simDisk) Rename(from, to string) error {
	if _, err := d.step("rename " + to); err != nil {
		return err
	}
	d.current[to] = d.current[from]
	delete(d.current, from)
	return nil
}

func (d *simDisk) Remove(name string) error {
	if d.off {
		return errPower
	}
	if d.current[name] == nil {
		return nil
	}
	if _, err := d.step("remove " + name); err != nil {
		return err
	}
	delete(d.current, name)
	return nil
}

func (d *simDisk) SyncFolder(folder string) error {
	if _, err := d.step("sync folder " + folder); err != nil {
		return err
	}
	for name := range d.durable {
		if path.Dir(name) == folder && d.current[name] == nil {
			delete(d.durable, name)
		}
	}
	for name, f := range d.current {
		if path.Dir(name) == folder {
			d.durable[name] = f
		}
	}
	return nil
}

func (d *simDisk) List(folder string) ([]string, error) {
	if d.off {
		return nil, errPower
	}
	var names []string
	for name := range d.current {
		if path.Dir(name) == folder {
			names = append(names, path.Base(name))
		}
	}
	slices.Sort(names)
	return names, nil
}

// restart gives the disk as it is found when the power is back.
func (d *simDisk) restart() *simDisk {
	next := newSimDisk()
	from := d.current
	if d.how == lost {
		from = d.durable
	}
	for name, f := range from {
		content := f.current
		switch d.how {
		case lost:
			content = f.durable
		case half:
			if !bytes.Equal(f.current, f.durable) {
				content = f.durable
				if n := len(f.current) / 2; n > len(f.durable) {
					content = f.current[:n]
				}
			}
		}
		next.current[name] = &simFile{durable: bytes.Clone(content), current: bytes.Clone(content)}
		next.durable[name] = next.current[name]
	}
	return next
}

// clone gives an independent copy with the power on.
func (d *simDisk) clone() *simDisk {
	c := newSimDisk()
	for name, f := range d.current {
		c.current[name] = &simFile{durable: bytes.Clone(f.durable), current: bytes.Clone(f.current)}
	}
	for name, f := range d.durable {
		if d.current[name] == f {
			c.durable[name] = c.current[name]
		} else {
			c.durable[name] = &simFile{durable: bytes.Clone(f.durable), current: bytes.Clone(f.current)}
		}
	}
	return c
}

// holds tells whether any byte of any file, synced or not, named or not, shows a text.
func (d *simDisk) holds(text []byte) string {
	for _, names := range []map[string]*simFile{d.current, d.durable} {
		for name, f := range names {
			if bytes.Contains(f.current, text) || bytes.Contains(f.durable, text) {
				return name
			}
		}
	}
	return ""
}

func (d *simDisk) cellWrites() int {
	n := 0
	for _, c := range d.calls {
		if strings.HasPrefix(c, "write "+cellName) {
			n++
		}
	}
	return n
}
