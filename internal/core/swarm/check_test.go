package swarm

func (s *Swarm) check() error { return nil }
