print("chronovisor")
