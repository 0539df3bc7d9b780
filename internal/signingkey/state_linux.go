package signingkey

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// lockIdentity is what the file system says of an open file and lets nobody set:
// its inode, when it was made, and the device. The inode alone would not do: ext4
// gives the number of a removed file to the next one that is made there.
func lockIdentity(f *os.File) (identity, error) {
	var st unix.Statx_t
	if err := unix.Statx(int(f.Fd()), "", unix.AT_EMPTY_PATH, unix.STATX_INO|unix.STATX_BTIME, &st); err != nil {
		return identity{}, fmt.Errorf("looking at %s: %w", f.Name(), err)
	}
	i := identity{
		inode:  strconv.FormatUint(st.Ino, 10),
		born:   unknown,
		device: fmt.Sprintf("%d:%d", st.Dev_major, st.Dev_minor),
	}
	if st.Mask&unix.STATX_BTIME != 0 {
		i.born = fmt.Sprintf("%d.%09d", st.Btime.Sec, st.Btime.Nsec)
	}
	return i, nil
}
