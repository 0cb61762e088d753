package fleet

import (
	"time"

	"gatehouse/bench/measure"
	"gatehouse/bench/scenario"
)

// Figures are what Bench measures.
type Figures struct {
	Sizes          Sizes
	One, Several   Server
	Direct, Handed []int64 // nanoseconds of each request, where its session is and where it is not
	Join           Join
}

// Server is what each round found out about one node, or several.
type Server struct {
	Burst, Paced []Section
}

// Section is one run of the room with what Redis did meanwhile.
type Section struct {
	scenario.Run
	Redis time.Duration  // processor time
	Calls map[string]int // by command, without what the nodes ask by themselves
}

// add measures the room of a running server once more.
func (s Server) add(r *running, sizes Sizes) (Server, error) {
	idle, err := r.idle(sizes.Idle)
	if err != nil {
		return s, err
	}
	burst, err := r.section(idle, func() (scenario.Run, error) { return r.hall.Burst(sizes.Burst) })
	if err != nil {
		return s, err
	}
	paced, err := r.section(idle, func() (scenario.Run, error) { return r.hall.Pace(sizes.Paced, sizes.Rate) })
	if err != nil {
		return s, err
	}
	s.Burst, s.Paced = append(s.Burst, burst), append(s.Paced, paced)
	return s, nil
}

// rates are calls a second by command.
type rates map[string]float64

// idle counts what the nodes ask of Redis while nothing is sent.
func (r *running) idle(d time.Duration) (rates, error) {
	if r.redis == nil {
		return nil, nil
	}
	before, err := r.redis.Calls()
	if err != nil {
		return nil, err
	}
	start := time.Now()
	if err := r.rig.Loop.For(d); err != nil {
		return nil, err
	}
	after, err := r.redis.Calls()
	idle := rates{}
	for name, n := range after {
		idle[name] = float64(n-before[name]) / time.Since(start).Seconds()
	}
	return idle, err
}

// section runs the room and gives what Redis did meanwhile.
func (r *running) section(idle rates, run func() (scenario.Run, error)) (s Section, err error) {
	if r.redis == nil {
		s.Run, err = run()
		return s, err
	}
	calls, err := r.redis.Calls()
	if err != nil {
		return s, err
	}
	cpu, err := measure.CPU(r.redis.PID)
	if err != nil {
		return s, err
	}
	start := time.Now()
	if s.Run, err = run(); err != nil {
		return s, err
	}
	took := time.Since(start).Seconds()
	used, err := measure.CPU(r.redis.PID)
	if err != nil {
		return s, err
	}
	s.Redis, s.Calls = used-cpu, map[string]int{}
	after, err := r.redis.Calls()
	for name, n := range after {
		s.Calls[name] = n - calls[name] - int(idle[name]*took+0.5)
	}
	return s, err
}
