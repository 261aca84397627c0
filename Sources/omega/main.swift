print("omega")
