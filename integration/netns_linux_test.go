package integration_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cityproof/cityproof/internal/testenv"
)

// wire is the way from one host to another. Its zero value is fast and loses nothing.
type wire struct {
	delay time.Duration // of each packet, one way
	loss  float64       // the part of the packets that is lost: 0.01 is 1 %
	cut   bool          // nothing arrives
}

// network joins hosts, each in a network namespace of its own, by wires with delay and loss. Each namespace has a TUN
// device; what a host sends to the address of another is read there, kept for the delay, and written to the other's.
// Nothing leads out of it. The namespaces have no names: they end with the threads and processes that live in them.
type network struct {
	t      testing.TB
	closed chan struct{}
	work   sync.WaitGroup

	mu     sync.Mutex // guards the following
	hosts  []*host
	each   wire // for all that are not in wires
	wires  map[[2]*host]wire
	queues map[[2]*host]chan packet
	twins  map[[2]*host]*host // who gets what the first sends to the second
}

type packet struct {
	due   time.Time
	bytes []byte
}

const (
	// maxHosts is how many addresses there are.
	maxHosts = 250
	// queued is how many packets are under way on a wire; a wire that is full loses the rest, as a router does.
	queued = 4096
	// maxPacket bounds one packet in bytes.
	maxPacket = 64 << 10
)

// host is one machine of a network.
type host struct {
	net  *network
	addr netip.Addr
	tun  *os.File
	ns   int         // its namespace, open
	do   chan func() // done by the thread that lives there
	// sent and received count bytes of IP packets, lost ones among the sent.
	sent, received atomic.Int64
}

// newNetwork makes a network whose wires are all alike, or skips the test where that is not allowed.
func newNetwork(t testing.TB, each wire) *network {
	t.Helper()
	n := &network{t: t, closed: make(chan struct{}), each: each, wires: map[[2]*host]wire{}, queues: map[[2]*host]chan packet{}, twins: map[[2]*host]*host{}}
	t.Cleanup(n.close)
	_, err := n.add(netip.Addr{})
	testenv.Require(t, "netns", !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.EACCES),
		"the right to make network namespaces and TUN devices")
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// close takes everything down. The processes of the hosts have ended before.
func (n *network) close() {
	close(n.closed)
	for _, h := range n.hosts {
		_ = h.tun.Close()
		_ = unix.Close(h.ns)
		close(h.do)
	}
	n.work.Wait()
}

// host adds a machine. The first is there from the start: what tests and visitors do.
func (n *network) host() *host {
	n.t.Helper()
	h, err := n.add(netip.Addr{})
	if err != nil {
		n.t.Fatal(err)
	}
	return h
}

// twin adds a machine with the address of another. Nobody reaches it but those who are shown it.
func (n *network) twin(of *host) *host {
	n.t.Helper()
	h, err := n.add(of.addr)
	if err != nil {
		n.t.Fatal(err)
	}
	return h
}

// show has a host reach the twin where it speaks to the other.
func (n *network) show(to, of, twin *host) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.twins[[2]*host{to, of}] = twin
}

// add adds a machine, at the next address if none is given.
func (n *network) add(addr netip.Addr) (*host, error) {
	if len(n.hosts) == maxHosts {
		return nil, fmt.Errorf("more than %d hosts", maxHosts)
	}
	if !addr.IsValid() {
		addr = netip.AddrFrom4([4]byte{10, 77, 0, byte(len(n.hosts) + 1)})
	}
	h := &host{net: n, addr: addr, do: make(chan func())}
	opened := make(chan error)
	n.work.Go(func() {
		// Never unlocked: the thread ends with this goroutine, and nothing else of the test runs in the namespace. It lives
		// as long as the host, for a host's processes are killed when the thread that started them ends.
		runtime.LockOSThread()
		err := h.open()
		opened <- err
		if err != nil {
			return
		}
		for f := range h.do {
			f()
		}
	})
	if err := <-opened; err != nil {
		return nil, fmt.Errorf("making a network namespace: %w", err)
	}
	n.mu.Lock()
	n.hosts = append(n.hosts, h)
	n.mu.Unlock()
	n.work.Go(h.forward)
	return h, nil
}

// open makes the namespace of the calling thread and what is in it.
func (h *host) open() (err error) {
	if err = unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return err
	}
	if h.ns, err = unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
		return err
	}
	tun, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return errors.Join(err, unix.Close(h.ns))
	}
	if err = h.configure(tun); err != nil {
		return errors.Join(err, unix.Close(tun), unix.Close(h.ns))
	}
	h.tun = os.NewFile(uintptr(tun), "/dev/net/tun") // only now: what is no device yet can't be waited for
	return nil
}

// configure gives the namespace its loopback, and the TUN device its address.
func (h *host) configure(tun int) error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(s) }()
	const device = "city0"
	address := h.addr.As4()
	for _, step := range []struct {
		fd      int
		request uint
		device  string
		flags   uint16
		addr    []byte
	}{
		{s, unix.SIOCSIFFLAGS, "lo", unix.IFF_UP, nil},
		{tun, unix.TUNSETIFF, device, unix.IFF_TUN | unix.IFF_NO_PI, nil},
		{s, unix.SIOCSIFADDR, device, 0, address[:]},
		{s, unix.SIOCSIFNETMASK, device, 0, []byte{255, 255, 255, 0}},
		{s, unix.SIOCSIFFLAGS, device, unix.IFF_UP | unix.IFF_RUNNING, nil},
	} {
		r, err := unix.NewIfreq(step.device)
		if err != nil {
			return err
		}
		if r.SetUint16(step.flags); step.addr != nil {
			if err := r.SetInet4Addr(step.addr); err != nil {
				return err
			}
		}
		if err := unix.IoctlIfreq(step.fd, step.request, r); err != nil {
			return fmt.Errorf("setting up %s: %w", step.device, err)
		}
	}
	return nil
}

// set changes the wires between two hosts, in both directions.
func (n *network) set(a, b *host, w wire) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.wires[[2]*host{a, b}], n.wires[[2]*host{b, a}] = w, w
}

// part cuts all wires between some hosts and all others but the first, which reaches everybody.
func (n *network) part(some ...*host) {
	for _, a := range some {
		for _, b := range n.hosts[1:] {
			if !slices.Contains(some, b) {
				n.set(a, b, wire{cut: true})
			}
		}
	}
}

// heal makes all wires again as they were at first.
func (n *network) heal() {
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.wires)
}

// queue is where packets from a host to the one with a number wait, nil for one that is lost, and how long.
func (n *network) queue(from *host, number int) (chan packet, time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if number < 0 || number >= len(n.hosts) {
		return nil, 0
	}
	to := n.hosts[number]
	if twin := n.twins[[2]*host{from, to}]; twin != nil {
		to = twin
	}
	way := [2]*host{from, to}
	w, ok := n.wires[way]
	if !ok {
		w = n.each
	}
	if w.cut || rand.Float64() < w.loss {
		return nil, 0
	}
	q := n.queues[way]
	if q == nil {
		q = make(chan packet, queued)
		n.queues[way] = q
		n.work.Go(func() { n.carry(q, to) })
	}
	return q, w.delay
}

// carry brings packets to a host in the order in which they were sent, each when it is due.
func (n *network) carry(q <-chan packet, to *host) {
	wait := time.NewTimer(0)
	defer wait.Stop()
	for {
		var p packet
		select {
		case <-n.closed:
			return
		case p = <-q:
		}
		if d := time.Until(p.due); d > 0 {
			wait.Reset(d)
			select {
			case <-n.closed:
				return
			case <-wait.C:
			}
		}
		if _, err := to.tun.Write(p.bytes); err == nil {
			to.received.Add(int64(len(p.bytes)))
		}
	}
}

// forward reads what a host sends until the network is closed.
func (h *host) forward() {
	buf := make([]byte, maxPacket)
	for {
		size, err := h.tun.Read(buf)
		if err != nil {
			return
		}
		b := buf[:size]
		if size < 20 || b[0]>>4 != 4 { // the kernel's own IPv6 chatter
			continue
		}
		h.sent.Add(int64(size))
		if [3]byte(b[16:19]) != [3]byte{10, 77, 0} {
			continue
		}
		if q, delay := h.net.queue(h, int(b[19])-1); q != nil {
			select {
			case q <- packet{time.Now().Add(delay), slices.Clone(b)}:
			default:
			}
		}
	}
}

// start starts a program on the host. It is killed when the test's process ends, however that ends.
func (h *host) start(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	done := make(chan error)
	h.do <- func() { done <- cmd.Start() }
	return <-done
}

// dial connects from the host.
func (h *host) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	type dialled struct {
		conn net.Conn
		err  error
	}
	done := make(chan dialled, 1)
	go func() {
		runtime.LockOSThread() // never unlocked, as above
		if err := unix.Setns(h.ns, unix.CLONE_NEWNET); err != nil {
			done <- dialled{err: err}
			return
		}
		var d net.Dialer // an address without a name: the socket is made by this very thread
		conn, err := d.DialContext(ctx, network, addr)
		done <- dialled{conn, err}
	}()
	d := <-done
	return d.conn, d.err
}
