package doctor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// What must be free where data_dir lies. Below the least the next mail may find no room.
const (
	leastShare  = 0.01
	leastBytes  = 100 << 20
	littleShare = 0.10
)

// disk looks at the space that is left for data_dir, or for where it will be made.
func (x *examination) disk(context.Context) {
	dir := x.config.DataDir
	var at unix.Statfs_t
	err := unix.Statfs(dir, &at)
	for errors.Is(err, os.ErrNotExist) && dir != filepath.Dir(dir) {
		dir = filepath.Dir(dir)
		err = unix.Statfs(dir, &at)
	}
	if err != nil {
		x.ill("disk", fmt.Sprintf("%s: %v", dir, err), "let the user that runs Postern use it")
		return
	}
	size := uint64(at.Bsize) //nolint:gosec // a block has a size above zero
	x.space(at.Bavail*size, at.Blocks*size)
}

// space judges what is free, for others than root, of a disk.
func (x *examination) space(free, whole uint64) {
	const advice = "make room where data_dir lies, or move it to a larger disk: on a full one no mail is taken in and nothing is recorded"
	share := 1.0 // of a file system that tells no size
	if whole > 0 {
		share = float64(free) / float64(whole)
	}
	said := fmt.Sprintf("%d of %d MiB are free (%.1f %%) for %s", free>>20, whole>>20, 100*share, x.config.DataDir)
	switch {
	case share < leastShare || whole > 0 && free < leastBytes:
		x.ill("disk", said, advice)
	case share < littleShare:
		x.note("disk", said, advice)
	default:
		x.well("disk", said)
	}
}
